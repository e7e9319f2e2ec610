// `bench serve`: conversations, served by each scheme in the same memory. In the closed loop so many callers ask again as
// soon as they are answered: that measures capacity. In the open loop they arrive when they like: that measures delay.
import { Driver } from './driver.ts';
import type { LoadedScheme } from './loaded-scheme.ts';
import { type Summary, summarize } from './summary.ts';
import type { Lengths, Workload } from './workload.ts';

export interface ServeOptions {
  /** Bytes for weights and cache together. */
  readonly memory: number;
  readonly workload: Workload;
  /** Seconds measured, by the engine's own clock. */
  readonly seconds: number;
  /** Seconds before that. */
  readonly warmup: number;
}

export interface ClosedLoopOptions extends ServeOptions {
  /** Callers that ask. */
  readonly concurrency: number;
}

export interface OpenLoopOptions extends ServeOptions {
  /** Requests a second. */
  readonly rate: number;
}

export interface LoopResult extends Summary {
  readonly scheme: string;
  readonly cacheTokens: number;
  readonly preemptions: number;
}

export interface OpenLoopResult extends LoopResult {
  readonly rate: number;
  /** Requests that had arrived and not ended at the end: with them growing, the rate is beyond capacity. */
  readonly unfinished: number;
}

/** Throws `out-of-memory` where the scheme's weights do not fit. */
export function closedLoop(loaded: LoadedScheme, options: ClosedLoopOptions): LoopResult {
  const { memory, workload, seconds, warmup, concurrency } = options;
  using driver = new Driver(loaded.engineIn(memory));
  const end = warmup + seconds;
  while (driver.now < end) {
    while (driver.numOpen < concurrency) ask(driver, workload, driver.now);
    driver.step();
  }
  return resultOf(driver, warmup, end);
}

/** Throws `out-of-memory` where the scheme's weights do not fit. */
export function openLoop(loaded: LoadedScheme, options: OpenLoopOptions): OpenLoopResult {
  const { memory, workload, seconds, warmup, rate } = options;
  using driver = new Driver(loaded.engineIn(memory));
  const end = warmup + seconds;
  let next = workload.gap(0, rate);
  while (driver.now < end) {
    for (; next <= driver.now; next += workload.gap(driver.jobs.length, rate)) ask(driver, workload, next);
    if (driver.numOpen > 0) driver.step();
    else driver.waitUntil(Math.min(next, end));
  }
  return { ...resultOf(driver, warmup, end), rate, unfinished: driver.numOpen };
}

/** The next request of the workload. */
function ask(driver: Driver, workload: Workload, arrivedAt: number): void {
  const { vocabSize, plan } = driver.engine;
  const index = driver.jobs.length;
  const { prompt, answer } = fittedTo(workload.lengths(index), plan.maxModelLen);
  driver.add({ prompt: workload.tokens(index, { count: prompt, vocabSize }), answer, arrivedAt });
}

/** Cut to the context that the cache holds. */
function fittedTo({ prompt, answer }: Lengths, context: number): Lengths {
  const cut = Math.min(prompt, context >> 1);
  return { prompt: cut, answer: Math.min(answer, context - cut) };
}

function resultOf(driver: Driver, begin: number, end: number): LoopResult {
  const { name, plan } = driver.engine;
  return {
    scheme: name,
    cacheTokens: plan.numBlocks * plan.blockSize,
    preemptions: driver.preemptions,
    ...summarize(driver, begin, end),
  };
}
