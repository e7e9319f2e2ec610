// The loops on a real engine over a tiny random model: what they report is what was asked and what was served.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { availableMemory } from 'node:process';
import { afterAll, expect, test } from 'vitest';
import { measureSchemes } from '../../src/bench/compare.ts';
import { Driver } from '../../src/bench/driver.ts';
import { LoadedScheme } from '../../src/bench/loaded-scheme.ts';
import { randomModelFolder } from '../../src/bench/random-model.ts';
import { schemeNamed, schemes } from '../../src/bench/schemes.ts';
import { closedLoop, openLoop } from '../../src/bench/serve.ts';
import { SteadyLoop } from '../../src/bench/steady-loop.ts';
import { Loops } from '../../src/bench/turns.ts';
import { scaled, shareGpt, Workload } from '../../src/bench/workload.ts';

const cache = mkdtempSync(join(tmpdir(), 'atom-bench-'));
const load = (name: string, maxBatch = 8) => {
  const scheme = schemeNamed(name);
  const folder = randomModelFolder(scheme, { shape: 'tiny', layers: 1 }, { cache, toolVersion: '0' });
  return new LoadedScheme(scheme, folder, { maxBatch });
};
const [plain, small] = [load('w16a16'), load('w4a4')];
const workload = new Workload({ lengths: scaled(shareGpt, 1 / 8) });

afterAll(() => {
  for (const model of [plain, small]) model[Symbol.dispose]();
  rmSync(cache, { recursive: true });
});

test('names of schemes may be cut short, and must be of one', () => {
  expect(schemes.map(({ name }) => schemeNamed(name).name)).toEqual(schemes.map(({ name }) => name));
  expect(schemeNamed('w8a8').name).toBe('W8A8KV8');
  for (const wrong of ['', 'w4', 'w2a2']) {
    expect(() => schemeNamed(wrong)).toThrow(expect.objectContaining({ code: 'bad-option' }));
  }
});

test('a cache in four bits holds about three times the sequences', () => {
  const memory = plain.weightBytes + 8 * plain.sequenceBytes(512);
  expect(plain.sequencesIn(memory, 512)).toBe(8);
  expect(small.sequencesIn(memory, 512)).toBeGreaterThan(24);
  expect(plain.sequencesIn(plain.weightBytes, 512)).toBe(0);
  expect(() => plain.engineIn(plain.weightBytes)).toThrow(expect.objectContaining({ code: 'out-of-memory' }));
});

test('the closed loop keeps as many callers busy as it was told', () => {
  const memory = plain.weightBytes + 4 * plain.sequenceBytes(1024);
  const result = closedLoop(plain, { memory, workload, seconds: 0.5, warmup: 0.1, concurrency: 3 });
  expect(result.batch.most).toBeLessThanOrEqual(3);
  expect(result.batch.mean).toBeGreaterThan(1.5);
  expect(result.cacheTokens).toBe(4096);
  expect(result.tokensPerSecond).toBeGreaterThan(result.requestsPerSecond);
  const { p50, p90, p99 } = result.timePerToken;
  expect(p50).toBeGreaterThan(0);
  expect(p90).toBeGreaterThanOrEqual(p50);
  expect(p99).toBeGreaterThanOrEqual(p90);
  const { schedule, model, sample, settle, send, overhead } = result.breakdown;
  expect(schedule + model + sample + settle + send).toBeLessThanOrEqual(1.001);
  expect(schedule + model + sample + settle + send).toBeGreaterThan(0.7);
  expect(overhead).toBeCloseTo(1 - model);
});

test('the open loop serves arrivals at their rate, and counts idle time without waiting for it', () => {
  const memory = plain.weightBytes + 8 * plain.sequenceBytes(1024);
  const begin = performance.now();
  const result = openLoop(plain, { memory, workload, seconds: 4000, warmup: 0, rate: 0.01 });
  expect((performance.now() - begin) / 1000).toBeLessThan(50);
  expect(result.requests).toBeGreaterThan(20);
  expect(result.requests).toBeLessThan(60);
  expect(result.unfinished).toBeLessThan(2);
  expect(result.tokensPerBusySecond).toBeGreaterThan(20 * result.tokensPerSecond);
});

test('a steady loop gives every sequence its length, and always runs as many', () => {
  const shape = { prompt: 10, answer: 20 };
  const engine = plain.engineIn(plain.weightBytes + 6 * plain.sequenceBytes(32));
  using loop = new SteadyLoop(engine, { shape, workload });
  loop.fill(3);
  const { driver } = loop;
  const joined = driver.jobs.slice(0, 3).map(({ promptTokens }) => promptTokens);
  expect(new Set(joined).size).toBe(3);
  for (let step = 0; step < 60; step++) {
    loop.run(3, 0);
    expect(driver.numOpen).toBeGreaterThanOrEqual(2);
  }
  const ended = driver.jobs.filter(({ finished }) => finished);
  expect(ended.length).toBeGreaterThan(5);
  for (const { promptTokens, tokenTimes } of ended) expect(promptTokens + tokenTimes.length).toBe(30);
  expect(driver.preemptions).toBe(0);
});

test('a steady loop goes on where the cache lets fewer in than were asked', () => {
  const shape = { prompt: 10, answer: 20 };
  using loop = new SteadyLoop(plain.engineIn(plain.weightBytes + 4 * plain.sequenceBytes(32)), {
    shape,
    workload,
  });
  loop.fill(6);
  loop.run(6, 0.05);
  const { running, waiting } = loop.driver.steps.at(-1)!;
  expect(running).toBeGreaterThan(0);
  expect(running + waiting).toBeLessThanOrEqual(6);
});

test('a request that cannot be served is told', () => {
  using driver = new Driver(plain.engineIn(plain.weightBytes + plain.sequenceBytes(32)));
  driver.add({ prompt: new Int32Array(30), answer: 3 });
  expect(() => driver.step()).toThrow('context');
});

test('schemes are compared at every batch, and in one memory by what fits and by what is as quick', () => {
  const options = { shape: { prompt: 16, answer: 48 }, seconds: 0.05, rounds: 2, batches: [1, 4] };
  const seen: string[] = [];
  const memory = plain.weightBytes + 2 * plain.sequenceBytes(64);
  const { curve, inMemory } = measureSchemes([plain, small], {
    ...options,
    memory,
    onPoint: ({ scheme, batch }) => seen.push(`${scheme} ${batch}`),
  });
  expect(seen).toEqual(['W16A16KV16 1', 'W4A4KV4 1', 'W16A16KV16 4', 'W4A4KV4 4']);
  for (const { tokensPerSecond, betweenTokens, steps } of curve) {
    expect(tokensPerSecond).toBeGreaterThan(1);
    expect(betweenTokens.p50).toBeGreaterThan(0);
    expect(steps).toBeGreaterThanOrEqual(2);
  }
  const room = small.sequencesIn(memory, 64);
  expect(inMemory!.points.map(({ scheme, fits, batch }) => [scheme, fits, batch])).toEqual([
    ['W16A16KV16', 2, 2],
    ['W4A4KV4', room, 4],
  ]);
  const [first, second] = inMemory!.asQuick!;
  expect([first!.scheme, first!.fits, first!.batch]).toEqual(['W16A16KV16', 2, 2]);
  if (second) expect(second.batch).toBeLessThanOrEqual(4);

  const without = measureSchemes([plain, small], { ...options, batches: [1], memory: plain.weightBytes });
  expect(without.inMemory!.points.map(({ scheme }) => scheme)).toEqual(['W4A4KV4']);
  expect(without.inMemory!.asQuick).toBeUndefined();
});

test('fitting, no scheme is measured with more sequences than the memory holds', () => {
  const options = { shape: { prompt: 16, answer: 48 }, seconds: 0.05, rounds: 2, batches: [1, 2, 4] };
  const memory = plain.weightBytes + 2 * plain.sequenceBytes(64);
  const { curve, inMemory } = measureSchemes([small, plain], { ...options, memory, fitting: true });
  expect(curve.map(({ scheme, batch }) => `${scheme} ${batch}`)).toEqual([
    ...['W4A4KV4 1', 'W16A16KV16 1', 'W4A4KV4 2', 'W16A16KV16 2', 'W4A4KV4 4'],
  ]);
  expect(inMemory!.points.map(({ scheme, batch }) => [scheme, batch])).toEqual([
    ['W4A4KV4', 4],
    ['W16A16KV16', 2],
  ]);
  const none = measureSchemes([small, plain], { ...options, memory: plain.weightBytes, fitting: true });
  // The 16-bit weights leave no room for a sequence.
  expect(new Set(none.curve.map(({ scheme }) => scheme))).toEqual(new Set(['W4A4KV4']));
});

test('a loop that ends gives its cache back', () => {
  using loops = new Loops({ prompt: 16, answer: 48 });
  const most = Math.floor(availableMemory() / plain.sequenceBytes(64) / 4);
  // Each is promised a quarter of the memory; together they would be more than there is.
  for (let turn = 0; turn < 6; turn++) loops.end(loops.start(plain, most));
  for (let turn = 0; turn < 3; turn++) loops.start(plain, most);
  expect(() => {
    for (let turn = 0; turn < 3; turn++) loops.start(plain, most);
  }).toThrow(expect.objectContaining({ code: 'out-of-memory' }));
});

test('a cache of exactly so many sequences always runs so many', () => {
  using loop = new SteadyLoop(plain.engineIn(plain.weightBytes + 5 * plain.sequenceBytes(64)), {
    shape: { prompt: 40, answer: 24 },
    workload,
  });
  loop.fill(5);
  const { driver } = loop;
  for (let step = 0; step < 100; step++) {
    loop.run(5, 0);
    const { running, waiting } = driver.steps.at(-1)!;
    expect(waiting).toBe(0);
    expect(running).toBeGreaterThanOrEqual(3);
  }
  expect(driver.preemptions).toBe(0);
  expect(driver.jobs.filter(({ finished }) => finished).length).toBeGreaterThan(15);
});
