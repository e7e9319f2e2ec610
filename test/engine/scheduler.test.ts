import { expect, test } from 'vitest';
import { BlockManager } from '../../src/engine/block-manager.ts';
import type { EngineRequest } from '../../src/engine/request.ts';
import { Scheduler, type SchedulerOptions } from '../../src/engine/scheduler.ts';
import type { Step } from '../../src/engine/step.ts';
import { Simulation } from './simulation.ts';

test('100,000 random events keep every invariant, and each answer ends once, as it would alone', () => {
  const totals = {
    preemptions: 0,
    found: 0,
    steps: 0,
    finished: 0,
    cancelled: 0,
    refused: 0,
    guessed: 0,
    late: 0,
    tokens: 0,
  };
  for (let seed = 0; seed < 40; seed++) {
    const blockSize = 1 + (seed % 5);
    const maxBatch = 1 + ((seed * 7) % 9);
    const simulation = new Simulation({
      seed,
      blockSize,
      numBlocks: 4 + ((seed * 5) % 24),
      prefixCache: seed % 8 !== 7,
      maxBatch,
      maxStepTokens: maxBatch + ((seed * 3) % 30),
      maxModelLen: blockSize * (4 + ((seed * 5) % 24)) - (seed % 2),
      guesses: seed % 3 === 0 ? 4 : 0,
    });
    for (let i = 0; i < 2500; i++) simulation.event();
    simulation.finish();
    const { preemptions, found } = simulation.scheduler.counts;
    for (const [name, value] of Object.entries({ ...simulation.counts, preemptions, found })) {
      totals[name as keyof typeof totals] += value;
    }
  }
  // The events were worth having: each kind came many times.
  for (const [name, value] of Object.entries(totals)) expect(value, name).toBeGreaterThan(500);
});

function request(id: number, options: Partial<EngineRequest> & { length?: number } = {}): EngineRequest {
  const { length = 4, ...rest } = options;
  const prompt = Int32Array.from({ length }, (_, i) => id * 100 + i);
  return {
    id,
    prompt,
    n: 1,
    maxTokens: 8,
    minTokens: 0,
    priority: 0,
    stopTokenIds: [],
    sampling: {},
    ...rest,
  };
}

function make(options: Partial<SchedulerOptions> & { numBlocks?: number; blockSize?: number } = {}) {
  const { numBlocks = 64, blockSize = 4, ...rest } = options;
  const blocks = new BlockManager({ numBlocks, blockSize });
  const limits = { maxBatch: 4, maxStepTokens: 16, maxModelLen: numBlocks * blockSize };
  return { blocks, scheduler: new Scheduler({ blocks, ...limits, ...rest }) };
}

/** Runs a step in which every sampled token is 7. */
function advance(scheduler: Scheduler): Step {
  const step = scheduler.schedule()!;
  for (const { samples } of step.runs) for (const sample of samples) sample.append(7);
  scheduler.settle(step);
  return step;
}

const shapeOf = (step: Step) => step.runs.map(({ sequence, count }) => [sequence.request.id, count]);

test('a step carries decodes and chunks of prompts, within its budget', () => {
  const { scheduler } = make();
  scheduler.add(request(1));
  expect(shapeOf(advance(scheduler))).toEqual([[1, 4]]);
  scheduler.add(request(2, { length: 20 }));
  expect(shapeOf(advance(scheduler))).toEqual([
    [1, 1],
    [2, 15],
  ]);
  expect(shapeOf(advance(scheduler))).toEqual([
    [1, 1],
    [2, 5],
  ]);
});

test('a short prompt behind a long one starts in the same step, and the long one gets what is left', () => {
  const { scheduler } = make();
  scheduler.add(request(1, { length: 100 }));
  scheduler.add(request(2, { length: 3 }));
  expect(shapeOf(advance(scheduler))).toEqual([
    [1, 13],
    [2, 3],
  ]);
});

test('higher priorities start first, equals in order of arrival', () => {
  const { scheduler } = make({ maxBatch: 1 });
  scheduler.add(request(1));
  scheduler.add(request(2));
  scheduler.add(request(3, { priority: 5 }));
  const order: number[] = [];
  while (!scheduler.idle) order.push(advance(scheduler).runs[0]!.sequence.request.id);
  expect([...new Set(order)]).toEqual([3, 1, 2]);
});

test('the youngest gives way when blocks run out, and ends all the same', () => {
  const { scheduler, blocks } = make({ numBlocks: 5, blockSize: 2, maxModelLen: 10 });
  const first = scheduler.add(request(1, { length: 2 }));
  const second = scheduler.add(request(2, { length: 2, maxTokens: 6 }));
  const ended: number[] = [];
  for (let steps = 0; !scheduler.idle; steps++) {
    expect(steps).toBeLessThan(50);
    for (const { sequence } of advance(scheduler).runs) if (sequence.finish) ended.push(sequence.request.id);
  }
  expect(ended).toEqual([1, 2]);
  expect([first.generated, second.generated]).toEqual([8, 6]);
  expect(scheduler.counts.preemptions).toBeGreaterThan(0);
  expect(blocks.numFree).toBe(5);
});

test('what is found in the cache is counted once a prompt, not when it is computed again nor when it is scored', () => {
  const { scheduler } = make({ numBlocks: 5, blockSize: 2, maxModelLen: 10 });
  const found = () => [scheduler.counts.lookedUp, scheduler.counts.found];
  const run = () => {
    while (!scheduler.idle) advance(scheduler);
  };
  scheduler.add(request(1, { length: 2 }));
  scheduler.add(request(2, { length: 2, maxTokens: 6 }));
  run();
  expect(scheduler.counts.preemptions).toBeGreaterThan(0);
  expect(found()).toEqual([4, 0]);
  scheduler.add(request(3, { length: 5, maxTokens: 1 }));
  run();
  scheduler.add({ ...request(3, { length: 5, maxTokens: 1 }), id: 4 });
  run();
  expect(found()).toEqual([14, 4]);
  scheduler.add({ ...request(3, { length: 5, maxTokens: 1 }), id: 5, promptLogprobs: 1 });
  run();
  expect(found()).toEqual([14, 4]);
});

test('answers of one prompt share its blocks and copy the last one when they part', () => {
  const { scheduler, blocks } = make();
  scheduler.add(request(1, { length: 6, n: 3 }));
  const [run] = advance(scheduler).runs;
  expect(run!.samples.map(({ index }) => index)).toEqual([0, 1, 2]);
  expect(64 - blocks.numFree).toBe(2);
  const step = advance(scheduler);
  expect(step.runs).toHaveLength(3);
  expect(step.copies).toHaveLength(2);
  expect(64 - blocks.numFree).toBe(4);
});

test('a cancelled request leaves the next step and its blocks are free at once; so with one answer of several', () => {
  const { scheduler, blocks } = make();
  scheduler.add(request(1, { n: 2 }));
  scheduler.add(request(2));
  advance(scheduler);
  scheduler.cancel(1, 0);
  expect(shapeOf(advance(scheduler))).toEqual([
    [1, 1],
    [2, 1],
  ]);
  scheduler.cancel(1);
  scheduler.cancel(2);
  expect(scheduler.idle).toBe(true);
  expect(blocks.numFree).toBe(64);
  expect(scheduler.schedule()).toBeUndefined();
});

test('what can never fit is refused at once', () => {
  const { scheduler } = make({ numBlocks: 4, blockSize: 4 });
  expect(() => scheduler.add(request(1, { length: 9 }))).toThrowError(
    expect.objectContaining({ code: 'context-length-exceeded' }),
  );
  expect(() => scheduler.add(request(1, { length: 0 }))).toThrowError(
    expect.objectContaining({ code: 'bad-request' }),
  );
  expect(() => make({ numBlocks: 4, blockSize: 4, maxModelLen: 17 })).toThrowError(
    /does not hold one sequence/,
  );
});
