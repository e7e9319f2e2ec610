// Bits where they help most: the budget is kept, the sums are the best there are, and on the demo model the mix beats what
// the same bits do elsewhere. Losses are compared on the test text, which no choice has seen.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { CpuBackend } from '../../src/backend/cpu/cpu-backend.ts';
import { openCheckpoint } from '../../src/checkpoint/open-checkpoint.ts';
import { Model } from '../../src/model/model.ts';
import type { ModelSource } from '../../src/model/model-source.ts';
import { plainSource } from '../../src/model/plain-source.ts';
import { Scorer } from '../../src/model/scorer.ts';
import { type Choice, spendBits } from '../../src/quantize/bit-budget.ts';
import { calibrationWindows } from '../../src/quantize/calibration-text.ts';
import {
  choosePrecision,
  defaultCandidates,
  type PrecisionChoice,
  spend,
} from '../../src/quantize/choose-precision.ts';
import { type Precision, uniformPrecision } from '../../src/quantize/precision.ts';
import { presetNamed, resized } from '../../src/quantize/presets.ts';
import { bitsOf } from '../../src/quantize/recipe.ts';
import type { Sensitivity } from '../../src/quantize/sensitivity.ts';
import { simulate } from '../../src/quantize/simulate.ts';
import { averageBitsOf } from '../../src/quantize/storage-bits.ts';
import { loadTokenizer } from '../../src/tokenizer/load-tokenizer.ts';

const root = resolve(import.meta.dirname, '../..');
const texts = join(root, 'models/tiny-classics');
const checkpoint = openCheckpoint(join(root, 'models/tiny-classics-outliers'));
const { config } = checkpoint;
const recipe = resized(presetNamed('atom'), { groupSize: 32, outliers: 32 });
const candidates = defaultCandidates(recipe);
const uniform = (weight: 'int3' | 'int4' | 'int8') =>
  uniformPrecision(config.numLayers, candidates.find((formats) => formats.weight === weight)!);
const bits = {
  int3: averageBitsOf(config, recipe, uniform('int3')),
  int4: averageBitsOf(config, recipe, uniform('int4')),
  int8: averageBitsOf(config, recipe, uniform('int8')),
};

const choicesOf = fc.array(
  fc.record({ bits: fc.integer({ min: 1, max: 12 }), loss: fc.integer({ min: 0, max: 20 }) }),
  { minLength: 1, maxLength: 3 },
);

/** By trying all. */
function leastLoss(items: readonly (readonly Choice[])[], budget: number): number {
  const [first, ...rest] = items;
  if (!first) return budget < 0 ? Infinity : 0;
  return Math.min(...first.map(({ bits, loss }) => loss + leastLoss(rest, budget - bits)));
}

test('the best sum within a budget is found, and no sum where there is none', () => {
  fc.assert(
    fc.property(
      fc.array(choicesOf, { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 1, max: 50 }),
      (items, budget) => {
        const best = leastLoss(items, budget);
        const picked = spendBits(items, budget);
        expect(picked === undefined).toBe(best === Infinity);
        if (!picked) return;
        const chosen = items.map((choices, i) => choices[picked[i]!]!);
        expect(chosen.reduce((sum, choice) => sum + choice.bits, 0)).toBeLessThanOrEqual(budget);
        expect(chosen.reduce((sum, choice) => sum + choice.loss, 0)).toBe(best);
      },
    ),
  );
});

test('of equal losses the fewest bits are taken, then the choice named first', () => {
  const item = [
    { bits: 4, loss: 1 },
    { bits: 3, loss: 1 },
    { bits: 3, loss: 1 },
    { bits: 2, loss: 5 },
  ];
  expect(spendBits([item, item], 100)).toEqual([1, 1]);
});

test('hundreds of items are spent on in a moment', () => {
  const items = Array.from({ length: 320 }, (_, i) =>
    [3, 4, 8].map((b) => ({
      bits: b * (1_000_003 + 7919 * (i % 4)),
      loss: (1 + ((i * 37) % 101)) * 4 ** -b,
    })),
  );
  const budget = 320 * 1_010_000 * 4.5;
  const started = performance.now();
  const picked = spendBits(items, budget)!;
  expect(performance.now() - started).toBeLessThan(20_000);
  const spent = picked.reduce((sum, choice, i) => sum + items[i]![choice]!.bits, 0);
  expect(spent).toBeLessThanOrEqual(budget);
  expect(spent).toBeGreaterThan(0.999 * budget);
});

test('activations rise with the weights, never fall below the recipe, and stay where they are of another kind', () => {
  const pairs = (name: string) =>
    defaultCandidates(presetNamed(name)).map(({ weight, activation }) => `${weight}/${activation}`);
  expect(pairs('atom')).toEqual(['int3/int4', 'int4/int4', 'int8/int8']);
  expect(pairs('atom-w3a3')).toEqual(['int3/int3', 'int4/int4', 'int8/int8']);
  expect(pairs('atom-nvfp4')).toEqual(['int3/nvfp4', 'nvfp4/nvfp4', 'int8/int8']);
  expect(pairs('w4a8kv4')).toEqual(['int3/int8', 'int4/int8', 'int8/int8']);
  expect(pairs('w4a16')).toEqual(['int3/none', 'int4/none', 'int8/none']);
});

test('bits count codes, scales and outliers', () => {
  // Of 256 columns 224 in groups of 32: 4 bits, one f16 scale for two rows; 32 in 8 bits, one f16 scale a row.
  const wide = (224 * 4 + (7 * 16) / 2 + 32 * 8 + 16) / 256;
  const down = (736 * 4 + (23 * 16) / 2 + 32 * 8 + 16) / 768;
  const share = (256 * 768) / (256 * (512 + 256 + 1536 + 768));
  expect(bits.int4).toBeCloseTo(wide * (1 - share) + down * share, 10);
  expect(averageBitsOf(config, presetNamed('sparsegpt-50'))).toBe(16);
});

/** Losses of every layer like those of real ones: a factor 4 a bit, some layers more sensitive than others. */
const invented: Sensitivity = Array.from({ length: config.numLayers }, (_, layer) => {
  const losses = (input: number) => [3, 4, 8].map((b) => 4 ** (3 - b) / (1 + layer * 2 + input));
  return { qkv: losses(0), output: losses(1), gateUp: losses(2), down: losses(3) };
});
const spent = (sensitivity: Sensitivity, budget: number) =>
  spend(checkpoint, { recipe, candidates, sensitivity, budget });

test('a larger budget never loses more, and is never exceeded', () => {
  let before = Infinity;
  for (let budget = bits.int3; budget <= bits.int8 + 0.2; budget += 0.1) {
    const { averageBits, loss, precision, choices } = spent(invented, budget);
    expect(averageBits).toBeLessThanOrEqual(budget + 1e-6);
    expect(averageBits).toBeCloseTo(averageBitsOf(config, recipe, precision), 10);
    // A uniform choice may stay although a mix would save up to 5 %.
    expect(loss).toBeLessThanOrEqual(before / 0.95);
    before = loss;
    for (const { layer, input, formats } of choices) expect(precision[layer]![input]).toEqual(formats);
  }
  expect(spent(invented, 16).precision).toEqual(uniform('int8'));
});

test('layers that all hurt alike get the same bits, and the reason says so', () => {
  const shares = { qkv: 512 * 256, output: 256 * 256, gateUp: 1536 * 256, down: 256 * 768 };
  const losses = (input: keyof typeof shares) => [16, 4, 0.1].map((loss) => loss * shares[input]);
  const alike = invented.map(() => ({
    qkv: losses('qkv'),
    output: losses('output'),
    gateUp: losses('gateUp'),
    down: losses('down'),
  }));
  const { precision, choices, averageBits } = spent(alike, bits.int4);
  expect(precision).toEqual(uniform('int4'));
  expect(averageBits).toBeCloseTo(bits.int4, 10);
  expect(choices[0]!.reason).toMatch(/same throughout/);
});

const tokenizer = loadTokenizer(join(root, 'models/tiny-classics-outliers'));
const read = (name: string) => tokenizer.encode(readFileSync(join(texts, name), 'utf8'));
const backend = new CpuBackend();
const samples = calibrationWindows(read('calibration.txt'), { samples: 12, sequenceLength: 256 });
const options = { backend, recipe, samples, heldOut: 2 };

test('a budget that nothing fits, and groups that do not divide the channels, are refused at once', async () => {
  await expect(choosePrecision(checkpoint, { ...options, budget: 3 })).rejects.toThrowError(
    /3 bits.*take 3\.80/,
  );
  await expect(
    choosePrecision(checkpoint, {
      ...options,
      budget: 4,
      recipe: resized(recipe, { groupSize: 100, outliers: 32 }),
    }),
  ).rejects.toThrowError(/groups of 100/);
  await expect(
    choosePrecision(checkpoint, { ...options, budget: 5, signal: AbortSignal.abort() }),
  ).rejects.toThrowError(/interrupted/);
});

let measured: PrecisionChoice;
const progress: string[] = [];
beforeAll(async () => {
  measured = await choosePrecision(checkpoint, {
    ...options,
    budget: (bits.int3 + bits.int4) / 2,
    onProgress: (stage, done, total) => progress.push(`${stage} ${done}/${total}`),
  });
}, 300_000);

test('every choice is measured and explained', () => {
  const { choices, averageBits, loss, uniform: best } = measured;
  expect(progress.at(-1)).toBe(`sensitivity ${config.numLayers}/${config.numLayers}`);
  expect(choices.length).toBe(4 * config.numLayers);
  for (const { sensitivity, formats, reason } of choices) {
    // Of three bits only the weights have fewer; eight hardly hurt at all.
    expect(sensitivity['3']! / sensitivity['4']!).toBeGreaterThan(1.2);
    expect(sensitivity['4']! / sensitivity['8']!).toBeGreaterThan(10);
    expect(reason).toMatch(bitsOf(formats.weight) === 3 ? /INT4 would take off/ : /would add/);
  }
  expect(averageBits).toBeLessThanOrEqual((bits.int3 + bits.int4) / 2);
  expect(best!.formats.weight).toBe('int3');
  expect(loss).toBeLessThan(0.7 * best!.loss);
});

const words = read('test.txt').slice(0, 6 * 512);

async function logProbs(open: () => Promise<ModelSource> | ModelSource): Promise<Float32Array[]> {
  using model = new Model(await open(), { backend, maxTokens: 512, maxOutputs: 512 });
  using scorer = new Scorer({ model, backend, window: 512 });
  return Array.from({ length: words.length / 512 }, (_, i) =>
    scorer.score(words.slice(i * 512, i * 512 + 512)),
  );
}

/**
 * Half the mean squared change of the tokens' log-probabilities: what the divergence is while changes are small, and far
 * steadier than perplexity, in which changes for the better and for the worse cancel.
 */
async function harm(precision: Precision): Promise<number> {
  const { profile } = measured;
  const before = await logProbs(() => plainSource(checkpoint, { backend, compute: 'f32' }));
  const after = await logProbs(() => simulate(checkpoint, { backend, recipe, samples, precision, profile }));
  const squares = before.flatMap((row, i) => Array.from(row, (value, j) => (value - after[i]![j]!) ** 2));
  return squares.reduce((sum, square) => sum + square, 0) / squares.length / 2;
}

test('the mix does less harm than the line between three and four bits, than itself misplaced, than four bits at their price', async () => {
  // The layers' choices swapped end to end: the same formats for the same shapes, in the wrong places.
  const swapped = measured.precision.map((_, layer) => measured.precision[config.numLayers - 1 - layer]!);
  expect(averageBitsOf(config, recipe, swapped)).toBeCloseTo(measured.averageBits, 10);
  const sensitivity = Array.from({ length: config.numLayers }, (_, layer) => {
    const [qkv, output, gateUp, down] = measured.choices
      .slice(4 * layer, 4 * layer + 4)
      .map((choice) => [3, 4, 8].map((b) => choice.sensitivity[b]!));
    return { qkv: qkv!, output: output!, gateUp: gateUp!, down: down! };
  });
  const asFour = spent(sensitivity, bits.int4);
  expect(asFour.precision).not.toEqual(uniform('int4'));
  const three = await harm(uniform('int3'));
  const four = await harm(uniform('int4'));
  const mix = await harm(measured.precision);
  expect(mix).toBeLessThan(0.6 * four + 0.4 * three);
  expect(mix).toBeLessThan(await harm(swapped));
  expect(await harm(asFour.precision)).toBeLessThan(four);
}, 300_000);
