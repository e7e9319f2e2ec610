// The last five minutes for the dashboard: a sample a second, and the latencies of recent tokens and requests.
// It samples by itself while the server runs; a page that is opened late still sees what was before.
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import type { EngineStats, FinishEvent } from '../engine/engine-types.ts';
import type { TimingObserver } from './generation/request-timer.ts';

const KEPT_SECONDS = 300;
const KEPT_LATENCIES = 2048;

export interface LiveSample {
  /** Unix seconds. */
  readonly time: number;
  readonly running: number;
  readonly waiting: number;
  /** 0 to 1 */
  readonly kvUsage: number;
  /** Of the prompt tokens looked up since the sample before, 0 to 1; null where none were. */
  readonly prefixHitRate: number | null;
  readonly promptTokensPerSecond: number;
  readonly generationTokensPerSecond: number;
  /** Milliseconds, 99th percentile of the last second. */
  readonly eventLoopDelay: number;
}

export interface Percentiles {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}

/** Seconds over recent requests; null before the first. */
export interface Latencies {
  readonly timeToFirstToken: Percentiles | null;
  readonly betweenTokens: Percentiles | null;
  readonly endToEnd: Percentiles | null;
}

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

  completed(seconds: number): void {
    this.#endToEnd.push(seconds);
  }

  /** Samples after Unix time `since`, oldest first. */
  samples(since = 0): readonly LiveSample[] {
    return this.#samples.filter(({ time }) => time > since);
  }

  get latencies(): Latencies {
    return {
      timeToFirstToken: this.#firstToken.percentiles(),
      betweenTokens: this.#nextToken.percentiles(),
      endToEnd: this.#endToEnd.percentiles(),
    };
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#delay.disable();
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
      // Node counts the sampling interval itself in.
      eventLoopDelay: Math.max(0, this.#delay.percentile(99) / 1e6 - 10),
    });
    this.#delay.reset();
    if (this.#samples.length > KEPT_SECONDS) this.#samples.shift();
  }
}

/** The last values, overwritten in turn. */
class Recent {
  readonly #values: Float64Array; // (capacity) f64
  #count = 0;

  constructor(capacity: number) {
    this.#values = new Float64Array(capacity);
  }

  push(value: number): void {
    this.#values[this.#count++ % this.#values.length] = value;
  }

  percentiles(): Percentiles | null {
    const sorted = this.#values.slice(0, Math.min(this.#count, this.#values.length)).sort();
    if (sorted.length === 0) return null;
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
    return { p50: at(0.5), p90: at(0.9), p99: at(0.99) };
  }
}
