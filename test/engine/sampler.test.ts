import fc from 'fast-check';
import { expect, test } from 'vitest';
import { uniform } from '../../src/engine/random.ts';
import { Sampler, type SamplingOptions } from '../../src/engine/sampler.ts';

const logits = Float32Array.from([1, 3, 2, 0, -1]);

function share(options: SamplingOptions, draws = 20_000): number[] {
  const sampler = new Sampler(logits.length, { seed: 11, ...options });
  const counts = new Array<number>(logits.length).fill(0);
  for (let position = 0; position < draws; position++) counts[sampler.sample(logits.slice(), position)]!++;
  return counts.map((count) => count / draws);
}

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
  expect(share({ minP: 0.1 }).map((p) => p > 0)).toEqual([true, true, true, false, false]);
});

test('temperature 0 takes the lowest id of equals, and a repetition penalty turns it away', () => {
  expect(new Sampler(3, { temperature: 0 }).sample(Float32Array.from([1, 2, 2]), 0)).toBe(1);
  const sampler = new Sampler(3, { temperature: 0, repetitionPenalty: 1.5 });
  sampler.see([1]);
  expect(sampler.sample(Float32Array.from([1, 2, 1.9]), 0)).toBe(2);
});

test('NaN logits are never drawn; all NaN is an error', () => {
  const sampler = new Sampler(3, { seed: 1 });
  const some = Float32Array.from([Number.NaN, 0, Number.NaN]);
  expect(sampler.sample(some, 0)).toBe(1);
  expect(() => sampler.sample(new Float32Array(3).fill(Number.NaN), 0)).toThrowError(
    expect.objectContaining({ code: 'numeric' }),
  );
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
