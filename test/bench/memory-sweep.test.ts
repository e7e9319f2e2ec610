// Arithmetic over made-up curves whose answers are known.
import { expect, test } from 'vitest';
import { latencyAt, passingOf, quickBatch, sweepMemory, throughputAt } from '../../src/bench/memory-sweep.ts';
import { percentiles } from '../../src/bench/summary.ts';
import type { BatchPoint } from '../../src/bench/turns.ts';

function curve(scheme: string, throughput: Readonly<Record<number, number>>): BatchPoint[] {
  const times = { schedule: 0, model: 1, sample: 0, settle: 0, send: 0, overhead: 0 };
  return Object.entries(throughput).map(([batch, tokensPerSecond]) => ({
    scheme,
    batch: Number(batch),
    running: Number(batch),
    tokensPerSecond,
    betweenTokens: percentiles([Number(batch) / tokensPerSecond]),
    breakdown: { ...times, millisecondsPerStep: 1 },
    steps: 1,
  }));
}

const slow = curve('slow', { 1: 10, 2: 20, 4: 30 });
const fast = curve('fast', { 1: 20, 4: 80, 8: 100 });
// The slow one fits once into 101 bytes, when the fast one fits five times.
const needs = [
  { scheme: 'slow', weightBytes: 100, sequenceBytes: 1 },
  { scheme: 'fast', weightBytes: 96, sequenceBytes: 1 },
];

test('throughput is read off between measured batches, and holds beyond the last', () => {
  expect(throughputAt(slow, 2)).toBe(20);
  expect(throughputAt(slow, 3)).toBe(25);
  expect(throughputAt(slow, 100)).toBe(30);
});

test('so many sequences are as quick as is asked, by the latency between measured batches', () => {
  // One token takes 0.05 s at 1 and at 4, 0.08 s at 8.
  expect(latencyAt(fast, 6)).toBeCloseTo(0.065);
  expect(quickBatch(fast, { most: 8, limit: 0.08 })).toBe(8);
  expect(quickBatch(fast, { most: 8, limit: 0.066 })).toBe(6);
  expect(quickBatch(fast, { most: 2, limit: 1 })).toBe(2);
  expect(quickBatch(fast, { most: 8, limit: 0.04 })).toBe(0);
});

test('a sweep counts what fits, from memories that hold only one of the schemes', () => {
  const sweep = sweepMemory([...slow, ...fast], { needs, yardsticks: ['slow', 'fast'], sequences: 3 });
  expect(sweep.map(({ memory }) => memory)).toEqual([97, 98, 99, 101, 102, 103]);
  const at = (memory: number) => sweep.find((each) => each.memory === memory)!.schemes;
  expect(at(97)).toEqual([
    { scheme: 'slow', fits: 0, tokensPerSecond: 0, latency: 0 },
    { scheme: 'fast', fits: 1, tokensPerSecond: 20, latency: 0.05 },
  ]);
  expect(at(102)).toEqual([
    { scheme: 'slow', fits: 2, tokensPerSecond: 20, latency: 0.1 },
    { scheme: 'fast', fits: 6, tokensPerSecond: 90, latency: expect.closeTo(0.065) },
  ]);
});

test('nothing is said of fewer sequences than were measured', () => {
  const late = curve('slow', { 2: 20, 4: 30 });
  const sweep = sweepMemory([...late, ...fast], { needs, yardsticks: ['slow'], sequences: 2 });
  expect(sweep.map(({ schemes: [first] }) => [first!.fits, first!.tokensPerSecond, first!.latency])).toEqual([
    [1, 0, 0],
    [2, 20, 0.1],
  ]);
  const claim = { scheme: 'fast', over: 'slow', ratio: 1 };
  expect(passingOf(sweep, [...late, ...fast], claim).most).toBe(4.5);
});

test('a ratio is passed up to the last memory where both run and it is reached', () => {
  const points = [...slow, ...fast];
  const sweep = sweepMemory(points, { needs, yardsticks: ['slow'], sequences: 4 });
  const claim = { scheme: 'fast', over: 'slow' };
  // 85 / 10, 90 / 20, 95 / 25, 100 / 30, and every token of the fast one comes sooner.
  const reach = { memory: 102, fits: 6, fitsOver: 2, most: 8.5 };
  expect(passingOf(sweep, points, { ...claim, ratio: 4 })).toEqual({
    ...{ ...claim, ratio: 4 },
    ...{ ...reach, asQuick: reach },
  });
  expect(passingOf(sweep, points, { ...claim, ratio: 9 })).toEqual({
    ...{ ...claim, ratio: 9 },
    ...{ most: 8.5, asQuick: { most: 8.5 } },
  });
});

test('as quickly, only so many sequences count as do not wait longer', () => {
  // Its tokens take 0.05 s of 4 sequences and 0.2 s of 8; those of the slow one take 0.1 s at 2.
  const late = curve('fast', { 1: 20, 4: 80, 8: 40 });
  const points = [...slow, ...late];
  const sweep = sweepMemory(points, { needs, yardsticks: ['slow'], sequences: 4 });
  const { most, asQuick } = passingOf(sweep, points, { scheme: 'fast', over: 'slow', ratio: 3.5 });
  expect(most).toBe(7);
  expect(asQuick).toEqual({ memory: 102, fits: 5, fitsOver: 2, most: 7 });
  // Where no number of sequences is quick enough nothing is reached.
  const never = curve('fast', { 1: 2, 8: 4 });
  const none = passingOf(
    sweepMemory([...slow, ...never], { needs, yardsticks: ['slow'], sequences: 4 }),
    [...slow, ...never],
    {
      ...{ scheme: 'fast', over: 'slow', ratio: 0.1 },
    },
  );
  expect(none.most).toBeGreaterThan(0.1);
  expect(none.asQuick).toEqual({ most: 0 });
});

test('percentiles are values that were measured', () => {
  const values = Array.from({ length: 100 }, (_, i) => 100 - i);
  expect(percentiles(values)).toEqual({ p50: 50, p90: 90, p99: 99 });
  expect(percentiles([7])).toEqual({ p50: 7, p90: 7, p99: 7 });
  expect(percentiles([]).p50).toBeNaN();
});
