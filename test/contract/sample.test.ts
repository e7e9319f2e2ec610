import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { SampleArgs } from '../../src/backend/backend.ts';
import { keptWeights, sample as reference } from '../../src/backend/reference/sample.ts';
import { cpuBackends, gaussians, tensorOf } from './backends.ts';

const free = { row: 0, temperature: 1, topK: 0, topP: 1, minP: 0 };

/** Whether `draw` falls upon the token where limits of filters and borders between tokens are known to 1e-5. */
function mayPick(id: number, args: SampleArgs): boolean {
  return [0, -1e-5, 1e-5].some((by) => {
    const weights = keptWeights({ ...args, topP: args.topP * (1 + by), minP: args.minP * (1 - by) });
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    if (total === 0) return id === -1;
    const before = weights.subarray(0, Math.max(id, 0)).reduce((sum, weight) => sum + weight, 0);
    const at = args.draw * total;
    const slack = 1e-5 * total;
    return weights[id]! > 0 && before - slack <= at && at <= before + weights[id]! + slack;
  });
}

const hostile = fc.constantFrom(
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  1e-42,
  3e38,
  -3e38,
);
// Far enough apart that rounding makes no two of them equal.
const plain = fc.integer({ min: -1280, max: 1280 }).map((steps) => steps / 64);

describe.each(cpuBackends)('sample on $isa', ({ backend }) => {
  test('takes what a sorted vocabulary in f64 takes', () => {
    const filters = fc.record({
      temperature: fc.constantFrom(0, 5e-324, 0.3, 1, 2.5, 1e30),
      topK: fc.constantFrom(0, 1, 2, 7, 40, 5000),
      topP: fc.constantFrom(0, 0.1, 0.5, 0.95, 1),
      minP: fc.constantFrom(0, 0.01, 0.3, 1),
      draw: fc.double({ min: 0, max: 1 - 2 ** -53, noNaN: true }),
    });
    const usual = fc.array(plain, { minLength: 1, maxLength: 700, size: 'max' });
    const strange = fc.array(fc.oneof(plain, hostile), { minLength: 1, maxLength: 90 });
    // Many tokens that are equal, or nearly.
    const even = fc.array(fc.constantFrom(0, 1, 1 + 2 ** -6, 2), {
      minLength: 1,
      maxLength: 700,
      size: 'max',
    });
    fc.assert(
      fc.property(fc.oneof(usual, strange, even), filters, (values, options) => {
        using logits = tensorOf('f32', [1, values.length], values);
        const args = { ...free, ...options, logits };
        expect(mayPick(backend.sample(args), args)).toBe(true);
      }),
      { numRuns: 400 },
    );
  });

  test('takes it from a large vocabulary, too, row by row', () => {
    const vocab = 50_021;
    using logits = tensorOf(
      'f32',
      [2, vocab],
      gaussians(2 * vocab, 3).map((x) => 3 * x),
    );
    for (const row of [0, 1]) {
      for (const filter of [
        {},
        { topK: 3000 },
        { topP: 0.9 },
        { topK: 20_000, topP: 0.5 },
        { minP: 0.02, topP: 0.8 },
      ]) {
        for (const draw of [0, 0.2, 0.7, 0.99999]) {
          const args = { ...free, ...filter, logits, row, draw };
          expect(mayPick(backend.sample(args), args)).toBe(true);
        }
      }
    }
    // The last of all draws takes a token, whatever rounding leaves.
    for (const topP of [0.3, 1]) {
      const id = backend.sample({ ...free, topP, logits, row: 1, draw: 1 - 2 ** -53 });
      expect(keptWeights({ ...free, topP: topP * (1 + 1e-5), logits, row: 1 })[id]).toBeGreaterThan(0);
    }
  });

  test('of equals the lower ids are kept, as many as fit', () => {
    const vocab = 3000;
    using logits = tensorOf('f32', [1, vocab], new Float32Array(vocab));
    const picked = (filter: Partial<SampleArgs>) =>
      Array.from({ length: 500 }, (_, i) => backend.sample({ ...free, ...filter, logits, draw: i / 500 }));
    expect(Math.max(...picked({ topK: 10 }))).toBe(9);
    expect(Math.max(...picked({ topK: 1500 }))).toBe(1497);
    expect(Math.max(...picked({ topP: 0.1 }))).toBe(299);
    expect(new Set(picked({ topK: 10 }))).toEqual(new Set(Array(10).keys()));
  });

  test('nothing to take is -1, and a row that is not there is refused', () => {
    using none = tensorOf('f32', [1, 3], [Number.NaN, Number.NEGATIVE_INFINITY, Number.NaN]);
    expect(backend.sample({ ...free, logits: none, draw: 0.5 })).toBe(-1);
    expect(reference({ ...free, logits: none, draw: 0.5 })).toBe(-1);
    const beyond = () => backend.sample({ ...free, logits: none, row: 1, draw: 0.5 });
    expect(beyond).toThrow(expect.objectContaining({ code: 'bad-shape' }));
  });
});
