// The distributions are what docs/benchmarks.md says they are, and the same for every scheme.
import { expect, test } from 'vitest';
import { scaled, shareGpt, Workload } from '../../src/bench/workload.ts';

const indexes = Array.from({ length: 4000 }, (_, i) => i);
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

test('lengths keep to their ends, and come near the published means', () => {
  const workload = new Workload();
  const lengths = indexes.map((index) => workload.lengths(index));
  for (const kind of ['prompt', 'answer'] as const) {
    const values = lengths.map((each) => each[kind]);
    const { shortest, longest, mean: published } = shareGpt[kind];
    expect(Math.min(...values)).toBeGreaterThanOrEqual(shortest);
    expect(Math.max(...values)).toBeLessThanOrEqual(longest);
    // What is cut off are long ones.
    expect(mean(values)).toBeGreaterThan(0.8 * published);
    expect(mean(values)).toBeLessThan(1.02 * published);
  }
});

test('a smaller context gets the same shape', () => {
  const workload = new Workload({ lengths: scaled(shareGpt, 1 / 8) });
  const prompts = indexes.map((index) => workload.lengths(index).prompt);
  expect(Math.max(...prompts)).toBeLessThanOrEqual(128);
  expect(mean(prompts)).toBeGreaterThan(16);
  expect(mean(prompts)).toBeLessThan(24);
});

test('arrivals are those of a Poisson process', () => {
  const workload = new Workload({ seed: 3 });
  const gaps = indexes.map((index) => workload.gap(index, 5));
  expect(mean(gaps)).toBeCloseTo(0.2, 1.5);
  expect(mean(gaps.map((gap) => (gap - 0.2) ** 2))).toBeCloseTo(0.04, 1.5);
});

test('equal seeds ask the same, other seeds and requests something else', () => {
  const tokens = (seed: number, index: number) => [
    ...new Workload({ seed }).tokens(index, { count: 50, vocabSize: 1000 }),
  ];
  expect(tokens(1, 2)).toEqual(tokens(1, 2));
  expect(tokens(1, 2)).not.toEqual(tokens(1, 3));
  expect(tokens(2, 2)).not.toEqual(tokens(1, 2));
  expect(new Set(tokens(1, 2)).size).toBeGreaterThan(40);
  expect(Math.max(...tokens(1, 2))).toBeLessThan(1000);
});
