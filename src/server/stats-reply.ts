// What GET /v1/atom/stats answers: the contract between the server and the dashboard in web/, which imports it as types.
// It imports nothing, so that a browser's program can be checked against it.

export interface Percentiles {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}

/** Seconds over recent requests; null where there were none. */
export interface Latencies {
  readonly timeToFirstToken: Percentiles | null;
  readonly betweenTokens: Percentiles | null;
  readonly endToEnd: Percentiles | null;
}

/** One second of the server's life. */
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
  /** Over the ten seconds before. */
  readonly latencies: Latencies;
  /** Milliseconds, 99th percentile of the last second. */
  readonly eventLoopDelay: number;
}

/** Counts since the model was loaded, and what is in use now. */
export interface EngineCounts {
  readonly running: number;
  readonly waiting: number;
  readonly kvBlocksTotal: number;
  readonly kvBlocksUsed: number;
  readonly promptTokens: number;
  readonly generationTokens: number;
  readonly preemptions: number;
  readonly prefixCacheQueries: number;
  readonly prefixCacheHits: number;
}

export interface StatsReply {
  readonly state: 'loading' | 'ready' | 'draining' | 'closed';
  readonly model: string;
  readonly version: string;
  /** Seconds since the process began. */
  readonly uptime: number;
  /** null until the model is loaded. */
  readonly max_model_len: number | null;
  readonly engine: EngineCounts | null;
  /** Over the last requests, however long ago. */
  readonly latencies: Latencies;
  /** Oldest first. */
  readonly samples: readonly LiveSample[];
}
