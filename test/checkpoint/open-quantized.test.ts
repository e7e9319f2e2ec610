import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { expectedTensors } from '../../src/checkpoint/expected-tensors.ts';
import { parseModelConfig } from '../../src/checkpoint/model-config.ts';
import { openCheckpoint } from '../../src/checkpoint/open-checkpoint.ts';
import { parseQuantization } from '../../src/checkpoint/quantization.ts';
import type { QuantizationConfig } from '../../src/checkpoint/quantization-config.ts';
import { quantizedTensors, readReorderIndex } from '../../src/checkpoint/quantized-tensors.ts';
import { SafetensorsWriter, type TensorSpec } from '../../src/checkpoint/safetensors-writer.ts';
import { expectError, folder, zeros } from './files.ts';
import { overridden, smallLlama, w4a4 } from './quantization-examples.ts';

interface Changes {
  readonly raw?: object;
  /** Tensors to leave out. */
  readonly without?: RegExp;
  readonly reshape?: Record<string, readonly number[]>;
  /** Channel order by tensor name; the others count down. */
  readonly order?: Record<string, (channel: number, column: number) => number>;
  /** quantization_config as config.json has it, where it shall not be the one the tensors follow. */
  readonly written?: QuantizationConfig | undefined;
}

/** A quantized checkpoint of zeros, with whatever a test wants wrong about it. */
function quantized(fields: QuantizationConfig, changes: Changes = {}): string {
  const { without, reshape = {}, order = {} } = changes;
  const raw = { ...smallLlama, ...changes.raw };
  const written = 'written' in changes ? changes.written : fields;
  const dir = folder({ 'config.json': JSON.stringify({ ...raw, quantization_config: written }) });
  const config = parseModelConfig(raw, 'config.json');
  const quantization = parseQuantization(fields, { file: 'config.json', config });

  const plain = [...expectedTensors(config)].filter(({ role }) => role !== 'linear');
  const tensors: TensorSpec[] = [
    ...plain.map(({ name, shape }) => ({ name, shape, dtype: 'BF16' as const })),
    ...[...quantizedTensors(config, quantization)].map(({ name, shape, dtypes }) => ({
      name,
      shape,
      dtype: dtypes[0]!,
    })),
  ]
    .filter(({ name }) => !without?.test(name))
    .map((tensor) => ({ ...tensor, shape: reshape[tensor.name] ?? tensor.shape }));

  using writer = new SafetensorsWriter(join(dir, 'model.safetensors'), { tensors });
  for (const { name, dtype, shape } of tensors) {
    const size = shape.reduce((product, extent) => product * extent, 1);
    if (dtype === 'I32') {
      const wanted = order[name] ?? ((channel) => channel);
      writer.write(
        name,
        Int32Array.from({ length: size }, (_, column) => wanted(size - 1 - column, column)),
      );
    } else writer.write(name, new Uint8Array(size * { U8: 1, I8: 1, BF16: 2, F32: 4 }[dtype as 'U8']));
  }
  writer.commit();
  return dir;
}

const ORDER = 'model.layers.1.self_attn.qkv_input.reorder_index';

describe('a quantized checkpoint opens', () => {
  test('with its schemes and orders, and without the plain weights', () => {
    const { tensors, quantization } = openCheckpoint(quantized(w4a4));
    expect(quantization?.kvOf(0).keyBits).toBe(4);
    expect(tensors.has('model.layers.0.mlp.up_proj.weight')).toBe(false);
    expect(tensors.has('model.layers.0.mlp.down_input.reorder_index')).toBe(false);
    expect([...readReorderIndex(tensors, ORDER)].slice(0, 3)).toEqual([63, 62, 61]);
  });

  test('with a layer and a linear left in 16 bits', () => {
    const none = { weight: { format: 'none' }, activation: { format: 'none' } } as const;
    const overrides = { 'model.layers.0': none, 'model.layers.1.self_attn.v_proj': { weight: none.weight } };
    const { tensors } = openCheckpoint(quantized(overridden(overrides)));
    expect(tensors.get('model.layers.0.mlp.up_proj.weight').dtype).toBe('F32');
    expect(tensors.has('model.layers.0.self_attn.qkv_input.reorder_index')).toBe(false);
    expect(tensors.get('model.layers.1.self_attn.v_proj.weight').shape).toEqual([32, 64]);
  });

  test('with a quantized head, tied or not', () => {
    const fields = overridden({ lm_head: { weight: { format: 'int8', group_size: 32 } } });
    for (const tie_word_embeddings of [false, true]) {
      const { tensors } = openCheckpoint(quantized(fields, { raw: { tie_word_embeddings } }));
      expect(tensors.get('lm_head.weight_packed').shape).toEqual([32, 64]);
      expect(tensors.has('model.embed_tokens.weight')).toBe(true);
    }
  });
});

describe('a quantized checkpoint that contradicts itself gives one error', () => {
  test('without quantization_config', () => {
    const dir = quantized(w4a4, { written: undefined });
    expectError(
      () => openCheckpoint(dir),
      'bad-quantization-config',
      join(dir, 'config.json'),
      'quantization_config',
      'weight_packed',
    );
  });

  test('with the quantization_config of another', () => {
    const dir = quantized(w4a4, { written: overridden({ 'model.layers.0': { outlier: { channels: 32 } } }) });
    expectError(
      () => openCheckpoint(dir),
      'bad-shape',
      join(dir, 'model.safetensors'),
      'layers.0',
      '[64, 24]',
      '[64, 16]',
    );
  });

  test('with wrong group counts', () => {
    const name = 'model.layers.0.mlp.up_proj.weight_scale';
    const dir = quantized(w4a4, { reshape: { [name]: [48, 4] } });
    expectError(() => openCheckpoint(dir), 'bad-shape', name, '[48, 4]', '[48, 3]');
  });

  test('with a tensor missing', () => {
    for (const name of ['outlier_scale', 'weight_packed', 'reorder_index']) {
      const dir = quantized(w4a4, { without: new RegExp(`layers\\.1.*${name}`) });
      expectError(() => openCheckpoint(dir), 'missing-tensor', 'model.layers.1', name);
    }
  });

  test('with a permutation that is none', () => {
    const orders: [(channel: number, column: number) => number, string][] = [
      [(channel, column) => (column === 5 ? 63 : channel), 'channel 63 twice'],
      [(channel, column) => (column === 5 ? 64 : channel), 'channel 64 although there are 64'],
      [(channel, column) => (column === 5 ? -1 : channel), 'channel -1 although'],
    ];
    for (const [order, problem] of orders) {
      const dir = quantized(w4a4, { order: { [ORDER]: order } });
      expectError(
        () => openCheckpoint(dir),
        'bad-quantization-config',
        'model.safetensors',
        ORDER,
        'entry 5',
        problem,
      );
    }
  });

  test('quantized by another method', () => {
    const raw = { ...smallLlama, quantization_config: { quant_method: 'awq', bits: 4 } };
    const dir = folder({ 'config.json': JSON.stringify(raw), 'model.safetensors': zeros({}) });
    expectError(() => openCheckpoint(dir), 'unsupported-model', 'config.json', 'awq');
  });
});
