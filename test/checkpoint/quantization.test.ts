import { describe, expect, test } from 'vitest';
import { lmHead } from '../../src/checkpoint/expected-tensors.ts';
import { parseModelConfig } from '../../src/checkpoint/model-config.ts';
import { parseQuantization } from '../../src/checkpoint/quantization.ts';
import { weightTensors } from '../../src/checkpoint/quantized-tensors.ts';
import { expectError } from './files.ts';
import { mixtral } from './hugging-face-configs.ts';
import { overridden, smallLlama, w4a4 } from './quantization-examples.ts';

const config = parseModelConfig(smallLlama, 'config.json');
const parse = (raw: object) =>
  parseQuantization(raw as Record<string, unknown>, { file: 'config.json', config });
const at = (name: string, layer = 0) => ({ name: `model.layers.${layer}.${name}`, layer });

function expectBad(raw: object, ...parts: string[]): void {
  expectError(() => parse(raw), 'bad-quantization-config', 'config.json', ...parts);
}

describe('the scheme of a linear', () => {
  test('is that of all linears, and lm_head stays in 16 bits', () => {
    const quantization = parse(w4a4);
    expect(quantization.schemeOf(at('mlp.up_proj'))).toEqual({
      weight: { format: 'int4', groupSize: 16, channelGroup: 2 },
      activation: { format: 'int4', groupSize: 16, range: 'symmetric', clip: 0.9, hadamard: false },
      outlier: { format: 'int8', channels: 16 },
    });
    const head = quantization.schemeOf(lmHead(config));
    expect([head.weight.format, head.activation.format, head.outlier.channels]).toEqual(['none', 'none', 0]);
  });

  test('is overridden by layer and by linear, the longer path last', () => {
    const quantization = parse(
      overridden({
        'model.layers.1.mlp.down_proj': { weight: { format: 'int8', group_size: 0 } },
        'model.layers.1': { weight: { format: 'int3' }, activation: { clip: 1 } },
        lm_head: { weight: { format: 'int8', group_size: 32 } },
      }),
    );
    const weight = (name: string, layer: number) => quantization.schemeOf(at(name, layer)).weight;
    expect(weight('mlp.up_proj', 0)).toMatchObject({ format: 'int4', groupSize: 16 });
    expect(weight('mlp.up_proj', 1)).toMatchObject({ format: 'int3', groupSize: 16 });
    expect(weight('mlp.down_proj', 1)).toMatchObject({ format: 'int8', groupSize: 0, channelGroup: 2 });
    expect(quantization.schemeOf(at('mlp.down_proj', 1)).activation).toMatchObject({
      format: 'int4',
      clip: 1,
    });
    expect(quantization.schemeOf(lmHead(config)).weight).toMatchObject({ format: 'int8', groupSize: 32 });
  });

  test('of layer 1 is not that of layer 10', () => {
    const quantization = parse(overridden({ 'model.layers.1': { weight: { format: 'int8' } } }));
    expect(quantization.schemeOf(at('mlp.up_proj', 10)).weight.format).toBe('int4');
  });
});

test('caches are overridden by layer, keys and values apart', () => {
  const quantization = parse(overridden({ 'model.layers.1': { kv_cache: { key_bits: 8 } } }));
  expect(quantization.kvOf(0)).toEqual({
    keyBits: 4,
    valueBits: 4,
    keyBeforeRope: false,
    keyHadamard: false,
    clip: 1,
  });
  expect(quantization.kvOf(1)).toMatchObject({ keyBits: 8, valueBits: 4 });
});

test('experts share an input, and so one order', () => {
  const raw = { ...mixtral, num_hidden_layers: 1, num_local_experts: 2, num_experts_per_tok: 1 };
  const small = parseModelConfig(
    { ...raw, hidden_size: 64, intermediate_size: 96, head_dim: 16 },
    'config.json',
  );
  const quantization = parseQuantization(w4a4, { file: 'config.json', config: small });
  expect(quantization.orderOf({ input: 'model.layers.0.block_sparse_moe.gate_up_input' })).toBe('stored');
  expect(quantization.orderOf({ input: 'model.layers.0.block_sparse_moe.experts.1.down_input' })).toBe(
    'folded',
  );
});

describe('the tensors of a linear (64, 96)', () => {
  const linear = { name: 'x', outFeatures: 64, inFeatures: 96, bias: false, input: 'y' };
  const activation = { format: 'int4', groupSize: 16, range: 'symmetric', clip: 1, hadamard: false } as const;
  const outlier = { format: 'int8', channels: 16 } as const;
  const tensors = (
    format: string,
    options: { groupSize?: number; channelGroup?: number; outlier?: object } = {},
  ) =>
    Object.fromEntries(
      [
        ...weightTensors(linear, {
          weight: {
            format: format as 'int4',
            groupSize: options.groupSize ?? 16,
            channelGroup: options.channelGroup ?? 1,
          },
          activation,
          outlier: (options.outlier as typeof outlier) ?? outlier,
        }),
      ].map(({ name, shape, dtypes }) => [name.slice(2), `${dtypes.join('|')} ${shape.join(' ')}`]),
    );

  test.each(['int2', 'int3', 'int4', 'fp4'])('in %s: nibbles, a scale per group', (format) => {
    expect(tensors(format)).toEqual({
      weight_packed: 'U8 64 40',
      weight_scale: 'F32|F16 64 5',
      outlier_weight: 'I8 64 16',
      outlier_scale: 'F32|F16 64',
    });
  });

  test('in INT8 with one group, two channels to a scale and no outliers', () => {
    const none = { format: 'int8', channels: 0 };
    expect(tensors('int8', { groupSize: 0, channelGroup: 2, outlier: none })).toEqual({
      weight_packed: 'I8 64 96',
      weight_scale: 'F32|F16 32 1',
    });
  });

  test('in the formats that fix their groups and scales', () => {
    expect(tensors('mxfp4', { groupSize: 32, outlier: { format: 'fp16', channels: 32 } })).toEqual({
      weight_packed: 'U8 64 32',
      weight_scale: 'U8 64 2',
      outlier_weight: 'F16 64 32',
    });
    expect(tensors('nvfp4', { outlier: { format: 'e4m3', channels: 16 } })).toEqual({
      weight_packed: 'U8 64 40',
      weight_scale: 'F8_E4M3 64 5',
      weight_global_scale: 'F32 1',
      outlier_weight: 'F8_E4M3 64 16',
      outlier_scale: 'F32|F16 64',
    });
  });

  test('in 16 bits: the weight itself', () => {
    expect(tensors('none')).toEqual({ weight: 'F32|F16|BF16 64 96' });
  });
});

describe('a quantization_config gives one error with file and field', () => {
  test('when it is of another method', () => {
    expectError(() => parse({ quant_method: 'gptq', bits: 4 }), 'unsupported-model', 'config.json', '"gptq"');
  });

  test('when a field is missing, misspelt or out of range', () => {
    expectBad({}, 'quantization_config.quant_method', 'missing');
    expectBad({ ...w4a4, kv_cache: undefined }, 'quantization_config.kv_cache', 'missing');
    expectBad({ ...w4a4, bits: 4 }, 'bits');
    expectBad({ ...w4a4, format_version: 2 }, 'quantization_config.format_version', '2');
    expectBad(overridden({ 'model.layers.0': { weight: { groupsize: 3 } as object } }), 'groupsize');
    const { weight } = w4a4.linears;
    const withWeight = (change: object) => ({
      ...w4a4,
      linears: { ...w4a4.linears, weight: { ...weight, ...change } },
    });
    expectBad(withWeight({ format: 'int5' }), 'quantization_config.linears.weight.format', 'int5');
    expectBad(withWeight({ group_size: -1 }), 'quantization_config.linears.weight.group_size', '-1');
    expectBad(withWeight({ channel_group: 0 }), 'quantization_config.linears.weight.channel_group', '0');
  });

  test('when groups do not fit a linear', () => {
    expectBad(
      overridden({ 'model.layers.1.mlp.up_proj': { weight: { group_size: 13 } } }),
      'layers.1.mlp.up_proj',
      '13',
    );
    expectBad(
      overridden({ 'model.layers.0.mlp': { outlier: { channels: 64 } } }),
      'layers.0.mlp.gate_proj',
      '64',
    );
    expectBad(
      overridden({ 'model.layers.0': { weight: { channel_group: 5 } } }),
      'layers.0.self_attn.q_proj',
      '5',
    );
    expectBad(
      overridden({ 'model.layers.0': { weight: { format: 'nvfp4', group_size: 32 } } }),
      'nvfp4',
      '16',
    );
    const odd = { weight: { group_size: 0 }, activation: { group_size: 0 }, outlier: { channels: 1 } };
    expectBad(overridden({ 'model.layers.0': odd }), 'not even');
  });

  test('when linears of one input want it in different forms', () => {
    const overrides = { 'model.layers.1.self_attn.v_proj': { activation: { format: 'int8' as const } } };
    expectBad(overridden(overrides), 'layers.1.self_attn.v_proj', 'layers.1.self_attn.q_proj', 'input');
  });

  test('when an override reaches nothing', () => {
    expectBad(
      overridden({ 'model.layers.2': { weight: { format: 'int8' } } }),
      '"model.layers.2"',
      'no such module',
    );
    expectBad(overridden({ 'model.layers.0.mlp': { kv_cache: { key_bits: 8 } } }), 'mlp', 'no such cache');
  });
});
