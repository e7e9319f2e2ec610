// Transforms leave the model's function as it was: checked on the logits of the bundled model, nothing rounded.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { CpuBackend } from '../../src/backend/cpu/cpu-backend.ts';
import { openCheckpoint } from '../../src/checkpoint/open-checkpoint.ts';
import { Model } from '../../src/model/model.ts';
import type { ModelSource } from '../../src/model/model-source.ts';
import { plainSource } from '../../src/model/plain-source.ts';
import { Scorer } from '../../src/model/scorer.ts';
import { calibrationWindows } from '../../src/quantize/calibration-text.ts';
import { presetNamed, resized } from '../../src/quantize/presets.ts';
import type { Recipe } from '../../src/quantize/recipe.ts';
import { simulate } from '../../src/quantize/simulate.ts';
import {
  dominantSubspace,
  householder,
  mixing,
  reflect,
  seededRandom,
} from '../../src/quantize/transforms/orthogonal.ts';
import { loadTokenizer } from '../../src/tokenizer/load-tokenizer.ts';

const backend = new CpuBackend();
const path = resolve(import.meta.dirname, '../../models/tiny-classics-outliers');
const checkpoint = openCheckpoint(path);
const text = readFileSync(join(path, '../tiny-classics/calibration.txt'), 'utf8');
const tokenIds = loadTokenizer(path).encode(text);
const samples = calibrationWindows(tokenIds, { samples: 2, sequenceLength: 128 });

function logProbs(source: ModelSource): number[] {
  using model = new Model(source, { backend, maxTokens: 256, maxOutputs: 256 });
  using scorer = new Scorer({ model, backend, window: 256 });
  return [...scorer.score(tokenIds.slice(0, 256))];
}

const whole: Recipe = {
  ...resized(presetNamed('atom'), { groupSize: 32, outliers: 32 }),
  weight: { ...presetNamed('atom').weight, format: 'none' },
  activation: { ...presetNamed('atom').activation, format: 'none', groupSize: 32 },
  outliers: { ...presetNamed('atom').outliers, channels: 32, format: 'none' },
  kv: { ...presetNamed('atom').kv, keyBits: 16, valueBits: 16 },
};
const transforms = {
  foldScales: false,
  rotateResidual: false,
  downHadamard: false,
  migration: 'none',
} as const;

test.each([
  ['folded scales', { ...transforms, foldScales: true }],
  ['a rotated residual', { ...transforms, rotateResidual: true }],
  ['a Hadamard transform before down', { ...transforms, downHadamard: true }],
  ['everything together', { ...transforms, foldScales: true, rotateResidual: true, downHadamard: true }],
  ['AWQ', { ...transforms, migration: 'awq' }],
  ['SmoothQuant', { ...transforms, migration: 'smoothquant' }],
] as const)('%s leaves every log-probability as it was', async (_, changed) => {
  const expected = logProbs(plainSource(checkpoint, { backend, compute: 'f32' }));
  const recipe = { ...whole, transforms: changed };
  const actual = logProbs(await simulate(checkpoint, { backend, recipe, samples, seed: 5 }));
  // Embedding, head and weights are rounded to BF16, as a checkpoint holds them, once they have changed.
  expect(Math.max(...actual.map((value, i) => Math.abs(value - expected[i]!)))).toBeLessThan(0.05);
});

test('mixings and reflections are orthogonal, and the strong directions come first', () => {
  const n = 48;
  const random = seededRandom(1);
  const product = (rows: Float64Array, size: number) => {
    let worst = 0;
    for (let i = 0; i < rows.length / size; i++) {
      for (let j = 0; j <= i; j++) {
        let dot = 0;
        for (let c = 0; c < size; c++) dot += rows[i * size + c]! * rows[j * size + c]!;
        worst = Math.max(worst, Math.abs(dot - (i === j ? 1 : 0)));
      }
    }
    return worst;
  };
  expect(product(mixing(n, random), n)).toBeLessThan(1e-9);
  expect(product(mixing(1040, random), 1040)).toBeLessThan(1e-5); // a Hadamard matrix in f32

  // A covariance with three strong directions.
  const axes = mixing(n, random);
  const covariance = new Float64Array(n * n);
  for (let a = 0; a < n; a++) {
    const strength = a < 3 ? 100 : 1;
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) covariance[i * n + j]! += strength * axes[a * n + i]! * axes[a * n + j]!;
    }
  }
  const strong = dominantSubspace(backend, covariance, { count: 3, random });
  expect(product(strong, n)).toBeLessThan(1e-9);
  const q = new Float64Array(n * n);
  for (let i = 0; i < n; i++) q[i * n + i] = 1;
  reflect(householder(strong, n), q, n);
  expect(product(q, n)).toBeLessThan(1e-9);
  for (let k = 0; k < 3; k++) {
    let energy = 0;
    for (let a = 0; a < 3; a++) {
      let dot = 0;
      for (let i = 0; i < n; i++) dot += axes[a * n + i]! * q[i * n + k]!;
      energy += dot ** 2;
    }
    expect(energy).toBeCloseTo(1, 4);
  }
});
