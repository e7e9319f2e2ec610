import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CpuBackend } from '../../src/backend/cpu/cpu-backend.ts';
import { tokenLogprob } from '../../src/engine/logprobs.ts';
import { uniform } from '../../src/engine/random.ts';
import type { SamplingOptions } from '../../src/engine/sampling-options.ts';
import { type Restrictions, SequenceSampler } from '../../src/engine/sequence-sampler.ts';

const backend = new CpuBackend();
const logits = Float32Array.from([1, 3, 2, 0, -1]);

function tensorOf(values: ArrayLike<number>) {
  const tensor = backend.allocate('f32', [1, values.length]);
  tensor.f32().set(values);
  return tensor;
}

interface Given {
  readonly options?: SamplingOptions;
  readonly prompt?: readonly number[];
  readonly answer?: readonly number[];
  readonly restrictions?: Restrictions;
  readonly index?: number;
}

/** Samples of one answer at positions 0, 1, ... */
function draw(values: ArrayLike<number>, count: number, given: Given = {}): number[] {
  using row = tensorOf(values);
  const { options: sampling = {}, prompt = [], answer = [], restrictions = {}, index = 0 } = given;
  const own = new SequenceSampler({ sampling: { seed: 11, ...sampling }, prompt, index });
  for (const id of answer) own.see(id);
  using scratch = backend.allocate('f32', [values.length]);
  return Array.from({ length: count }, (_, position) =>
    own.choose(backend, { logits: row, row: 0, scratch, position, restrictions }),
  );
}

function share(options: SamplingOptions, draws = 20_000): number[] {
  const counts = new Array<number>(logits.length).fill(0);
  for (const id of draw(logits, draws, { options })) counts[id]!++;
  return counts.map((count) => count / draws);
}

const greedy = (values: readonly number[], given: Given = {}) =>
  draw(values, 1, { ...given, options: { temperature: 0, ...given.options } })[0];

test('draws follow the softmax at the temperature', () => {
  for (const temperature of [0.5, 1, 2]) {
    const weights = Array.from(logits, (x) => Math.exp(x / temperature));
    const total = weights.reduce((a, b) => a + b);
    for (const [id, value] of share({ temperature }).entries()) {
      // Five standard deviations of a count of 20,000.
      const p = weights[id]! / total;
      expect(Math.abs(value - p)).toBeLessThan(5 * Math.sqrt((p * (1 - p)) / 20_000) + 1e-9);
    }
  }
});

test('filters leave only what they say', () => {
  expect(share({ topK: 2 }).map((p) => p > 0)).toEqual([false, true, true, false, false]);
  // Probabilities are 0.09, 0.64, 0.23, 0.03, 0.01: 0.64 alone does not reach 0.7.
  expect(share({ topP: 0.7 }).map((p) => p > 0)).toEqual([false, true, true, false, false]);
  expect(share({ topP: 0.6 }).map((p) => p > 0)).toEqual([false, true, false, false, false]);
  // Of none the best is left.
  for (const none of [
    { topP: 0 },
    { topP: -0 },
    { topP: 0, topK: 3 },
    { topP: 0, minP: 1 },
    { temperature: 5e-324 },
  ])
    expect(share(none, 50)).toEqual([0, 1, 0, 0, 0]);
  expect(share({ minP: 0.1 }).map((p) => p > 0)).toEqual([true, true, true, false, false]);
});

test('filters keep what a full sort would keep', () => {
  const value = fc.integer({ min: -768, max: 768 }).map((steps) => steps / 64);
  const row = fc.array(value, { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(
      row,
      fc.nat(12),
      fc.double({ min: 0.05, max: 0.95, noNaN: true }),
      fc.nat(),
      (values, topK, topP, seed) => {
        const row = Float32Array.from(values);
        const order = Array.from(row.keys()).sort((a, b) => row[b]! - row[a]! || a - b);
        const kept = order.slice(0, topK || undefined);
        const largest = Math.max(...row);
        const weights = kept.map((id) => Math.exp(row[id]! - largest));
        const enough = topP * weights.reduce((a, b) => a + b);
        let reached = 0;
        const nucleus = kept.filter((_, i) => {
          const wanted = reached < enough * (1 + 1e-6);
          reached += weights[i]!;
          return wanted;
        });
        for (const id of draw(row, 30, { options: { topK, topP, seed } })) expect(nucleus).toContain(id);
      },
    ),
  );
  // Every kept token does come.
  const flat = new Float32Array(100);
  expect(new Set(draw(flat, 2000, { options: { topK: 10 } }))).toEqual(new Set(Array(10).keys()));
  expect(new Set(draw(flat, 2000, { options: { topP: 0.1 } }))).toEqual(new Set(Array(10).keys()));
});

test('tokens far below the best come as often as their weights say, with and without filters', () => {
  // One likely token, and so many unlikely ones that together they weigh a hundredth of it.
  const unlikely = 100_000;
  const weight = Math.exp(-16.1);
  using row = tensorOf(new Float32Array(unlikely + 1).fill(-16.1));
  row.f32()[7] = 0;
  // The likely token has the draws below 0.98 for sure; of the others 120 are tried.
  const start = 0.98;
  const draws = Array.from({ length: 120 }, (_, i) => start + ((1 - start) * (i + 0.5)) / 120);
  const others = ({ temperature = 1, topK = 0, topP = 1, minP = 0 }: SamplingOptions) =>
    draws
      .map((draw) => backend.sample({ logits: row, row: 0, temperature, topK, topP, minP, draw }))
      .filter((id) => id !== 7);
  const shareOf = (ids: readonly number[]) => (ids.length / draws.length) * (1 - start);
  const all = unlikely * weight;

  const free = others({});
  expect(shareOf(free)).toBeCloseTo(all / (1 + all), 3);
  // Not always the same ones.
  expect(new Set(free).size).toBeGreaterThan(free.length * 0.98);
  expect(shareOf(others({ topK: 50_001 }))).toBeCloseTo(all / 2 / (1 + all / 2), 3);
  // Top-p ends among them: half of them are enough.
  expect(shareOf(others({ topP: 1 - all / 2 / (1 + all) }))).toBeCloseTo(all / 2 / (1 + all / 2), 3);
  expect(others({ topP: 1 / (1 + all) - 1e-6 })).toEqual([]);
  expect(others({ minP: 1e-6 })).toEqual([]);
  expect(others({ temperature: 0.5 })).toEqual([]);
});

test('temperature 0 takes the lowest id of equals', () => {
  expect(greedy([1, 2, 2])).toBe(1);
});

test('penalties turn tokens away: repetition in prompt and answer, presence and frequency in the answer alone', () => {
  expect(greedy([1, 2, 1.9], { options: { repetitionPenalty: 1.5 }, prompt: [1] })).toBe(2);
  expect(greedy([-1, -1.2], { options: { repetitionPenalty: 1.5 }, answer: [0] })).toBe(1);
  expect(greedy([2, 1.9], { options: { presencePenalty: 1 }, prompt: [0] })).toBe(0);
  expect(greedy([2, 1.9], { options: { presencePenalty: 1 }, answer: [0] })).toBe(1);
  expect(greedy([2, 1.7], { options: { frequencyPenalty: 0.1 }, answer: [0, 0] })).toBe(0);
  expect(greedy([2, 1.7], { options: { frequencyPenalty: 0.1 }, answer: [0, 0, 0, 0] })).toBe(1);
});

test('bias, bans and masks choose among tokens, and logits are left as they were', () => {
  expect(greedy([1, 2, 3], { options: { logitBias: new Map([[0, 5]]) } })).toBe(0);
  expect(greedy([1, 2, 3], { restrictions: { banned: [2] } })).toBe(1);
  expect(greedy([1, 2, 3], { restrictions: { mask: Int32Array.of(0b011) } })).toBe(1);
  const wide = Float32Array.from({ length: 70 }, (_, id) => id);
  expect(
    draw(wide, 1, { options: { temperature: 0 }, restrictions: { mask: Int32Array.of(-1, -1, 0) } }),
  ).toEqual([63]);
  using row = tensorOf([1, 2, 3]);
  using scratch = backend.allocate('f32', [3]);
  const own = new SequenceSampler({ sampling: { temperature: 0 }, prompt: [] });
  own.choose(backend, {
    logits: row,
    row: 0,
    scratch,
    position: 0,
    restrictions: { banned: [2] },
  });
  expect([...row.f32()]).toEqual([1, 2, 3]);
});

test('a bias without bounds makes a token certain, whatever the filters', () => {
  const bounds = [Number.POSITIVE_INFINITY, 1e308];
  for (const filters of [{}, { topP: 0.9 }, { topK: 2 }, { minP: 0.1 }, { temperature: 1e-320 }])
    for (const bias of bounds) {
      const options = { ...filters, logitBias: new Map([[1, bias]]) };
      expect(draw([3, 1, 2], 20, { options })).toEqual(Array(20).fill(1));
    }
});

test('answers of one request draw numbers of their own, also from a seed beyond all whole numbers', () => {
  for (const seed of [1, -1, 2 ** 53, 1e300]) {
    const of = (index: number) => draw(logits, 50, { index, options: { seed } });
    expect(of(0)).toEqual(of(0));
    expect(of(0)).not.toEqual(of(1));
  }
});

test('NaN logits are never drawn; all NaN, or all forbidden, is an error', () => {
  expect(draw([Number.NaN, 0, Number.NaN], 1)).toEqual([1]);
  const numeric = expect.objectContaining({ code: 'numeric' });
  expect(() => draw(new Float32Array(3).fill(Number.NaN), 1)).toThrowError(numeric);
  expect(() => draw([1, 2], 1, { restrictions: { mask: Int32Array.of(0) } })).toThrowError(numeric);
});

test('log-probabilities are the log softmax, the most probable first', () => {
  const logTotal = Math.log(logits.reduce((sum, x) => sum + Math.exp(x), 0));
  const { tokenId, logprob, rank, topLogprobs } = tokenLogprob(logits, 3, { top: 2, logTotal });
  expect(rank).toBe(4);
  const lastIsBest = Float32Array.from([1, 1, 1, 2]);
  expect([0, 3].map((id) => tokenLogprob(lastIsBest, id, { top: 0, logTotal }).rank)).toEqual([2, 1]);
  expect(tokenId).toBe(3);
  expect(logprob).toBeCloseTo(-logTotal, 12);
  expect(topLogprobs.map((top) => top.tokenId)).toEqual([1, 2, 3]);
  expect(topLogprobs[0]!.logprob).toBeCloseTo(3 - logTotal, 12);
  expect(tokenLogprob(logits, 3, { top: 0, logTotal }).topLogprobs).toEqual([{ tokenId, logprob }]);
  const all = tokenLogprob(lastIsBest, 0, { top: 9, logTotal }).topLogprobs;
  expect(all.map((top) => top.tokenId)).toEqual([3, 0, 1, 2]);
});

test('random numbers depend on seed and position alone and lie in [0, 1)', () => {
  fc.assert(
    fc.property(fc.nat(), fc.nat(), (seed, position) => {
      const value = uniform(seed, position);
      expect(value).toBe(uniform(seed, position));
      expect(value >= 0 && value < 1).toBe(true);
    }),
  );
  const mean = Array.from({ length: 10_000 }, (_, i) => uniform(7, i)).reduce((a, b) => a + b) / 10_000;
  expect(mean).toBeCloseTo(0.5, 1);
});
