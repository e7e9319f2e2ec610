// What a stretch of serving comes to: throughput, latencies, occupancy, and where the time of a step went.
import type { Driver, StepLog } from './driver.ts';

export interface Percentiles {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}

/** Shares of the time of steps. */
export interface Breakdown {
  readonly schedule: number;
  /** The kernels, down to the logits. */
  readonly model: number;
  readonly sample: number;
  readonly settle: number;
  /** Handing the step's tokens to the thread of the callers. */
  readonly send: number;
  /** All but the model: what runs in TypeScript. */
  readonly overhead: number;
  readonly millisecondsPerStep: number;
}

export interface Summary {
  readonly seconds: number;
  /** Generated tokens. */
  readonly tokensPerSecond: number;
  /** Generated tokens per second of work: idle time between arrivals left out. */
  readonly tokensPerBusySecond: number;
  /** Requests that ended. */
  readonly requests: number;
  readonly requestsPerSecond: number;
  /** Seconds from arrival to the first token, of requests that got it here. */
  readonly timeToFirstToken: Percentiles;
  /** Seconds per token after the first, of requests that ended here. */
  readonly timePerToken: Percentiles;
  /** Seconds between one token of a request and the next. */
  readonly betweenTokens: Percentiles;
  /** Sequences that ran in a step. */
  readonly batch: { readonly mean: number; readonly most: number };
  /** Share of the cache's blocks that were in use. */
  readonly cache: { readonly mean: number; readonly most: number };
  readonly waitingMean: number;
  readonly steps: number;
  readonly breakdown: Breakdown;
}

/** NaN of no values; otherwise the value that p of them do not exceed. */
export function percentiles(values: readonly number[]): Percentiles {
  const sorted = Float64Array.from(values).sort();
  const at = (p: number) => sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)] ?? Number.NaN;
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99) };
}

/** Of what happened in (begin, end], in seconds of the driver's clock. */
export function summarize({ jobs, steps: all }: Driver, begin: number, end: number): Summary {
  const inside = (time: number | undefined) => time !== undefined && time > begin && time <= end;
  const steps = all.filter((step) => inside(step.end));
  const seconds = end - begin;
  const busy = sum(steps, (step) => step.seconds);
  const tokens = sum(steps, (step) => step.tokens);
  const ended = jobs.filter(({ finished, tokenTimes }) => finished && inside(tokenTimes.at(-1)));
  const firsts = jobs.filter(({ tokenTimes }) => inside(tokenTimes[0]));
  const gaps = jobs.flatMap(({ tokenTimes }) =>
    tokenTimes.flatMap((time, i) => (i > 0 && inside(time) ? [time - tokenTimes[i - 1]!] : [])),
  );
  return {
    seconds,
    tokensPerSecond: tokens / seconds,
    tokensPerBusySecond: tokens / busy,
    requests: ended.length,
    requestsPerSecond: ended.length / seconds,
    timeToFirstToken: percentiles(firsts.map(({ tokenTimes, arrivedAt }) => tokenTimes[0]! - arrivedAt)),
    timePerToken: percentiles(
      ended
        .filter(({ tokenTimes }) => tokenTimes.length > 1)
        .map(({ tokenTimes }) => (tokenTimes.at(-1)! - tokenTimes[0]!) / (tokenTimes.length - 1)),
    ),
    betweenTokens: percentiles(gaps),
    batch: spread(steps, (step) => step.running),
    cache: spread(steps, (step) => step.cacheShare),
    waitingMean: sum(steps, (step) => step.waiting) / steps.length,
    steps: steps.length,
    breakdown: breakdownOf(steps),
  };
}

export function breakdownOf(steps: readonly StepLog[]): Breakdown {
  const milliseconds = 1000 * sum(steps, (step) => step.seconds);
  const share = (part: keyof StepLog['times']) => sum(steps, ({ times }) => times[part]) / milliseconds;
  const model = share('model');
  return {
    schedule: share('schedule'),
    model,
    sample: share('sample'),
    settle: share('settle'),
    send: share('send'),
    overhead: 1 - model,
    millisecondsPerStep: milliseconds / steps.length,
  };
}

function spread(steps: readonly StepLog[], of: (step: StepLog) => number): { mean: number; most: number } {
  return { mean: sum(steps, of) / steps.length, most: Math.max(...steps.map(of)) };
}

function sum<T>(values: readonly T[], of: (value: T) => number): number {
  return values.reduce((total, value) => total + of(value), 0);
}
