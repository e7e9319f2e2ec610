// The last five minutes for the dashboard: a sample a second, and the latencies of recent tokens and requests.
// It samples by itself while the server runs; a page that is opened late still sees what was before.
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import type { EngineStats, FinishEvent } from '../engine/engine-types.ts';
import type { CompletedRequest, TimingObserver } from './generation/request-timer.ts';
import type { Latencies, LiveSample, Percentiles } from './stats-reply.ts';

const KEPT_SECONDS = 300;
const KEPT_LATENCIES = 2048;
/** A sample's latencies are those of this long before it: one second alone holds too few requests. */
const LATENCY_WINDOW_SECONDS = 10;

export class LiveStats implements TimingObserver, Disposable {
  readonly #stats: () => EngineStats | undefined;
  readonly #samples: LiveSample[] = [];
  readonly #firstToken = new Recent(KEPT_LATENCIES);
  readonly #nextToken = new Recent(KEPT_LATENCIES);
  readonly #endToEnd = new Recent(KEPT_LATENCIES);
  readonly #delay: IntervalHistogram = monitorEventLoopDelay({ resolution: 10 });
  readonly #timer: NodeJS.Timeout;
  #before: { readonly stats: EngineStats; readonly at: number } | undefined;

  /** `stats`: undefined until the model is loaded. */
  constructor(stats: () => EngineStats | undefined) {
    this.#stats = stats;
    this.#delay.enable();
    this.#timer = setInterval(() => this.#sample(), 1000);
    this.#timer.unref();
  }

  firstToken(seconds: number): void {
    this.#firstToken.push(seconds);
  }

  nextToken(seconds: number): void {
    this.#nextToken.push(seconds);
  }

  answered(_event: FinishEvent): void {}

  completed({ seconds }: CompletedRequest): void {
    this.#endToEnd.push(seconds);
  }

  /** Samples after Unix time `since`, oldest first. */
  samples(since = 0): readonly LiveSample[] {
    return this.#samples.filter(({ time }) => time > since);
  }

  get latencies(): Latencies {
    return this.#latenciesSince(Number.NEGATIVE_INFINITY);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#delay.disable();
  }

  /** `start`: as performance.now() counts. */
  #latenciesSince(start: number): Latencies {
    return {
      timeToFirstToken: this.#firstToken.percentiles(start),
      betweenTokens: this.#nextToken.percentiles(start),
      endToEnd: this.#endToEnd.percentiles(start),
    };
  }

  #sample(): void {
    const stats = this.#stats();
    if (stats === undefined) return;
    const at = performance.now();
    const before = this.#before ?? { stats, at: at - 1000 };
    this.#before = { stats, at };
    const seconds = (at - before.at) / 1000;
    const rate = (read: (stats: EngineStats) => number) => (read(stats) - read(before.stats)) / seconds;
    const queries = stats.prefixCacheQueries - before.stats.prefixCacheQueries;
    const hits = stats.prefixCacheHits - before.stats.prefixCacheHits;
    this.#samples.push({
      time: Date.now() / 1000,
      running: stats.running,
      waiting: stats.waiting,
      kvUsage: stats.kvBlocksUsed / Math.max(1, stats.kvBlocksTotal),
      prefixHitRate: queries === 0 ? null : hits / queries,
      promptTokensPerSecond: rate(({ promptTokens }) => promptTokens),
      generationTokensPerSecond: rate(({ generationTokens }) => generationTokens),
      latencies: this.#latenciesSince(at - LATENCY_WINDOW_SECONDS * 1000),
      // Node counts the sampling interval itself in.
      eventLoopDelay: Math.max(0, this.#delay.percentile(99) / 1e6 - 10),
    });
    this.#delay.reset();
    if (this.#samples.length > KEPT_SECONDS) this.#samples.shift();
  }
}

/** The last values with their times, overwritten in turn. */
class Recent {
  readonly #values: Float64Array; // (capacity) f64
  readonly #times: Float64Array; // (capacity) f64, as performance.now() counts
  #count = 0;

  constructor(capacity: number) {
    this.#values = new Float64Array(capacity);
    this.#times = new Float64Array(capacity);
  }

  push(value: number): void {
    const place = this.#count++ % this.#values.length;
    this.#values[place] = value;
    this.#times[place] = performance.now();
  }

  /** Of the values kept that came at `start` or later. */
  percentiles(start: number): Percentiles | null {
    const kept = this.#values.subarray(0, Math.min(this.#count, this.#values.length));
    const sorted = kept.filter((_, place) => this.#times[place]! >= start).sort();
    if (sorted.length === 0) return null;
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
    return { p50: at(0.5), p90: at(0.9), p99: at(0.99) };
  }
}
