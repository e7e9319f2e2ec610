import { expect, test } from 'vitest';
import { parseModelConfig } from '../../src/checkpoint/model-config.ts';
import { expectError } from './files.ts';
import { llama1, qwen25 } from './hugging-face-configs.ts';

const parse = (rope_scaling: unknown, raw = llama1) =>
  parseModelConfig({ ...raw, rope_scaling }, 'config.json');

test('linear scaling stretches the context by its factor, in either spelling', () => {
  for (const key of ['type', 'rope_type']) {
    const { rope, maxPositions } = parse({ [key]: 'linear', factor: 4 });
    expect(rope.scaling).toEqual({ type: 'linear', factor: 4 });
    expect(maxPositions).toBe(8192);
  }
});

test('dynamic scaling remembers the length it was trained on', () => {
  const { rope, maxPositions } = parse({ type: 'dynamic', factor: 2 });
  expect(rope.scaling).toEqual({ type: 'dynamic', factor: 2, originalMaxPositions: 2048 });
  expect(maxPositions).toBe(4096);
});

test('YaRN as Qwen2.5 recommends it: defaults filled in, the attention factor derived', () => {
  const { rope, maxPositions } = parse(
    { factor: 4, original_max_position_embeddings: 32768, type: 'yarn' },
    qwen25,
  );
  expect(rope).toEqual({
    theta: 1000000,
    scaling: {
      type: 'yarn',
      factor: 4,
      originalMaxPositions: 32768,
      attentionFactor: 0.1 * Math.log(4) + 1,
      betaFast: 32,
      betaSlow: 1,
      truncate: true,
    },
  });
  expect(maxPositions).toBe(131072);
});

test('YaRN takes a stated attention factor, else the ratio of its two scales', () => {
  const yarn = { rope_type: 'yarn', factor: 40, original_max_position_embeddings: 4096 };
  expect(parse({ ...yarn, attention_factor: 1.5 }).rope.scaling).toMatchObject({ attentionFactor: 1.5 });
  expect(parse({ ...yarn, mscale: 1, mscale_all_dim: 1 }).rope.scaling).toMatchObject({ attentionFactor: 1 });
  const { scaling } = parse({ ...yarn, mscale: 1, mscale_all_dim: 0.5 }).rope;
  const ratio = (0.1 * Math.log(40) + 1) / (0.05 * Math.log(40) + 1);
  expect((scaling as { attentionFactor: number }).attentionFactor).toBeCloseTo(ratio, 12);
});

test('type default means no scaling', () => {
  expect(parse({ rope_type: 'default' }).rope.scaling).toEqual({ type: 'none' });
  expect(parse(null).rope.scaling).toEqual({ type: 'none' });
});

test('an unknown type is unsupported and named', () => {
  for (const type of ['longrope', 'mrope', 'toString', '']) {
    expectError(
      () => parse({ type }),
      'unsupported-model',
      'config.json',
      'rope_scaling',
      JSON.stringify(type),
    );
  }
});

test('missing and contradictory parameters name the field', () => {
  const llama3 = {
    rope_type: 'llama3',
    factor: 8,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 1024,
  };
  const cases: [unknown, string][] = [
    [{ factor: 2 }, 'rope_scaling.rope_type'],
    [{ type: 'linear' }, 'rope_scaling.factor'],
    [{ type: 'linear', factor: 0.5 }, 'rope_scaling.factor'],
    [{ type: 'linear', factor: '2' }, 'rope_scaling.factor'],
    [{ type: 'linear', rope_type: 'dynamic', factor: 2 }, 'rope_type "dynamic"'],
    [{ ...llama3, low_freq_factor: undefined }, 'rope_scaling.low_freq_factor'],
    [{ ...llama3, high_freq_factor: 1 }, 'rope_scaling.high_freq_factor'],
    [{ ...llama3, original_max_position_embeddings: null }, 'rope_scaling.original_max_position_embeddings'],
    [
      { type: 'yarn', original_max_position_embeddings: 4096 },
      'rope_scaling.original_max_position_embeddings',
    ],
    [{ type: 'yarn', factor: 2, beta_fast: 1 }, 'rope_scaling.beta_fast'],
    [{ type: 'yarn', factor: 2, original_max_position_embeddings: 0 }, 'original_max_position_embeddings'],
    ['linear', 'rope_scaling'],
  ];
  for (const [scaling, field] of cases) expectError(() => parse(scaling), 'bad-config', 'config.json', field);
});
