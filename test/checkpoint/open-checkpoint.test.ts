import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { expectedTensors, linearsOf } from '../../src/checkpoint/expected-tensors.ts';
import { parseModelConfig } from '../../src/checkpoint/model-config.ts';
import { openCheckpoint } from '../../src/checkpoint/open-checkpoint.ts';
import { expectError, folder, zeros } from './files.ts';
import { llama1, llama31, mixtral, qwen3, qwen3Moe, qwen15Moe, qwen25 } from './hugging-face-configs.ts';

const models = resolve(import.meta.dirname, '../../models');
type Raw = Record<string, unknown>;

/** A folder with the config shrunk to two small layers and zeros for its tensors, some of them changed. */
function tiny(
  raw: Raw,
  {
    change = {},
    files = {},
  }: { change?: Record<string, Stored | undefined>; files?: Record<string, string> } = {},
): string {
  const small = {
    ...raw,
    ...shrunk,
    ...('num_experts' in raw && { num_experts: 2, num_experts_per_tok: 1 }),
  };
  const tensors: Record<string, Stored> = {};
  for (const { name, shape } of expectedTensors(parseModelConfig(small, 'config.json'))) {
    tensors[name] = { dtype: 'BF16', shape };
  }
  for (const [name, stored] of Object.entries(change)) {
    if (stored === undefined) delete tensors[name];
    else tensors[name] = stored;
  }
  return folder({ 'config.json': JSON.stringify(small), 'model.safetensors': zeros(tensors), ...files });
}

type Stored = { dtype: 'F32' | 'BF16' | 'I8'; shape: readonly number[] };
const shrunk = {
  vocab_size: 16,
  hidden_size: 8,
  intermediate_size: 12,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 4,
};

describe('the demo models', () => {
  test.each(['tiny-classics', 'tiny-classics-outliers'])('%s opens', (name) => {
    const { config, generation, tensors } = openCheckpoint(join(models, name));
    expect(config).toMatchObject({
      architecture: 'llama',
      numLayers: 6,
      tiedEmbeddings: true,
      bosTokenId: 0,
      eosTokenIds: [1],
    });
    expect(generation).toMatchObject({ doSample: true, temperature: 0.8, topP: 0.95 });
    expect(tensors.get('model.layers.5.mlp.down_proj.weight').shape).toEqual([256, 768]);
  });
});

describe('the tensors a config asks for', () => {
  const tensorsOf = (raw: Raw) =>
    new Map(
      [...expectedTensors(parseModelConfig(raw, 'config.json'))].map((tensor) => [tensor.name, tensor.shape]),
    );
  const parameters = (raw: Raw) =>
    [...tensorsOf(raw).values()].reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);

  // The published parameter counts.
  test.each([
    ['Llama 7B', llama1, 6_738_415_616],
    ['Llama 3.1 8B', llama31, 8_030_261_248],
    ['Qwen2.5 0.5B', qwen25, 494_032_768],
    ['Qwen3 0.6B', qwen3, 596_049_920],
    ['Mixtral 8x7B', mixtral, 46_702_792_704],
    ['Qwen3 30B A3B', qwen3Moe, 30_532_122_624],
    ['Qwen1.5 MoE A2.7B', qwen15Moe, 14_315_784_192],
  ])('%s has as many parameters as published', (_, raw, count) => expect(parameters(raw)).toBe(count));

  test('have biases and norms where the family has them', () => {
    expect(tensorsOf(qwen25).get('model.layers.0.self_attn.k_proj.bias')).toEqual([128]);
    expect(tensorsOf(qwen25).has('model.layers.0.self_attn.o_proj.bias')).toBe(false);
    expect(tensorsOf(qwen3).get('model.layers.27.self_attn.q_norm.weight')).toEqual([128]);
    expect(tensorsOf({ ...llama31, mlp_bias: true }).get('model.layers.0.mlp.up_proj.bias')).toEqual([14336]);
  });

  test('group the linears by the input they read', () => {
    const inputs = new Map<string, string[]>();
    for (const { name, input, layer } of linearsOf(parseModelConfig(llama31, 'config.json'))) {
      if (layer === 7 || layer === undefined)
        inputs.set(input, [...(inputs.get(input) ?? []), name.split('.').at(-1)!]);
    }
    expect(Object.fromEntries(inputs)).toEqual({
      'model.layers.7.self_attn.qkv_input': ['q_proj', 'k_proj', 'v_proj'],
      'model.layers.7.self_attn.o_input': ['o_proj'],
      'model.layers.7.mlp.gate_up_input': ['gate_proj', 'up_proj'],
      'model.layers.7.mlp.down_input': ['down_proj'],
      lm_head_input: ['lm_head'],
    });
  });
});

describe('a checkpoint opens', () => {
  test.each(Object.entries({ llama1, llama31, mixtral, qwen3, qwen3Moe, qwen15Moe, qwen25 }))(
    'when it holds what %s asks for',
    (_, raw) => expect(openCheckpoint(tiny(raw)).config.hiddenSize).toBe(8),
  );

  test('when it holds more than it needs, such as rotary tables', () => {
    const dir = tiny(llama1, {
      change: { 'model.layers.0.self_attn.rotary_emb.inv_freq': { dtype: 'F32', shape: [2] } },
    });
    expect(openCheckpoint(dir).tensors.has('model.layers.0.self_attn.rotary_emb.inv_freq')).toBe(true);
  });

  test('with the end tokens of generation_config.json, which win over those of config.json', () => {
    const dir = tiny(llama1, {
      files: { 'generation_config.json': '{"eos_token_id":[5,6],"bos_token_id":3}' },
    });
    expect(openCheckpoint(dir).config).toMatchObject({ eosTokenIds: [5, 6], bosTokenId: 3 });
  });
});

describe('a checkpoint that does not fit its config gives one error with file and tensor', () => {
  test('for a missing tensor', () => {
    const name = 'model.layers.1.mlp.up_proj.weight';
    const dir = tiny(llama1, { change: { [name]: undefined } });
    expectError(() => openCheckpoint(dir), 'missing-tensor', name, join(dir, 'model.safetensors'));
  });

  test('for a missing output head that is not tied', () => {
    const dir = tiny(llama1, { change: { 'lm_head.weight': undefined } });
    expectError(() => openCheckpoint(dir), 'missing-tensor', 'lm_head.weight');
  });

  test('for a shape that contradicts the config', () => {
    const name = 'model.layers.0.self_attn.k_proj.weight';
    const dir = tiny(llama1, { change: { [name]: { dtype: 'BF16', shape: [16, 8] } } });
    expectError(
      () => openCheckpoint(dir),
      'bad-shape',
      join(dir, 'model.safetensors'),
      name,
      '[16, 8]',
      '[8, 8]',
    );
  });

  test('for weights that are no floats', () => {
    const dir = tiny(llama1, { change: { 'model.norm.weight': { dtype: 'I8', shape: [8] } } });
    expectError(() => openCheckpoint(dir), 'bad-shape', 'model.norm.weight', 'I8');
  });
});

describe('what is not a model says what was looked for', () => {
  test('a folder that is not there, and a file', () => {
    expectError(() => openCheckpoint('/no/such/folder'), 'not-a-model', '/no/such/folder', 'does not exist');
    expectError(() => openCheckpoint(join(models, 'tiny-classics/config.json')), 'not-a-model', 'is a file');
  });

  test('a folder without config or weights', () => {
    expectError(() => openCheckpoint(folder()), 'not-a-model', 'config.json', 'model.safetensors');
    expectError(() => openCheckpoint(folder({ 'config.json': '{}' })), 'not-a-model', 'model.safetensors');
    expectError(() => openCheckpoint(folder({ 'model.safetensors': '' })), 'not-a-model', 'config.json');
  });

  test('weights of another format, with advice', () => {
    const dir = folder({ 'config.json': '{}', 'pytorch_model.bin': '' });
    expectError(() => openCheckpoint(dir), 'not-a-model', 'pytorch_model.bin', 'convert');
  });

  test('a config that is a folder', () => {
    const dir = folder({ 'model.safetensors': '' });
    mkdirSync(join(dir, 'config.json'));
    expectError(() => openCheckpoint(dir), 'io', join(dir, 'config.json'), 'not a file');
  });

  test('a config that is no JSON object', () => {
    const files = { 'model.safetensors': '' };
    expectError(
      () => openCheckpoint(folder({ ...files, 'config.json': '{' })),
      'bad-config',
      'config.json',
      'JSON',
    );
    expectError(
      () => openCheckpoint(folder({ ...files, 'config.json': '3' })),
      'bad-config',
      'config.json',
      'JSON',
    );
  });
});
