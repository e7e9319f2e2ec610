// What Prometheus scrapes of the engine, under vLLM's names: gauges and counters are read when scraped, the tokens of steps are
// observed as these happen. Until the model is loaded counters are 0 and gauges absent.
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { EngineStats, ServingEngine } from '../engine/engine-types.ts';
import { tokenBounds } from './metric-bounds.ts';

export type WatchedEngine = Pick<ServingEngine, 'info' | 'stats' | 'onStep'>;

const labelNames = ['model_name', 'engine'] as const;

type LabelName = (typeof labelNames)[number];
type Labels = Readonly<Record<LabelName, string>>;
type Read = (stats: EngineStats) => number;

export class EngineMetrics {
  readonly #registry: Registry;
  readonly #labels: Labels;
  readonly #stepTokens: Histogram<LabelName>;
  #engine: WatchedEngine | undefined;

  constructor(registry: Registry, labels: Labels) {
    this.#registry = registry;
    this.#labels = labels;
    const occupancy: Read = (all) => all.kvBlocksUsed / Math.max(1, all.kvBlocksTotal);
    this.#gauge('vllm:num_requests_running', 'sequences in the batch', ({ running }) => running);
    this.#gauge('vllm:num_requests_waiting', 'sequences in the queue', ({ waiting }) => waiting);
    this.#gauge('vllm:kv_cache_usage_perc', 'share of KV blocks in use, 0 to 1', occupancy);
    this.#gauge('vllm:gpu_cache_usage_perc', 'the same under its older name', occupancy);
    this.#cacheConfig();
    this.#counter('vllm:prompt_tokens_total', 'prompt tokens computed or found', (all) => all.promptTokens);
    this.#counter('vllm:generation_tokens_total', 'tokens generated', (all) => all.generationTokens);
    this.#counter(
      'vllm:num_preemptions_total',
      'sequences put back into the queue',
      (all) => all.preemptions,
    );
    this.#counter(
      'vllm:prefix_cache_queries_total',
      'prompt tokens looked up',
      (all) => all.prefixCacheQueries,
    );
    this.#counter('vllm:prefix_cache_hits_total', 'prompt tokens found', (all) => all.prefixCacheHits);
    this.#counter('vllm:spec_decode_num_drafts_total', 'times that tokens were guessed', (all) => all.drafts);
    this.#counter('vllm:spec_decode_num_draft_tokens_total', 'tokens guessed', (all) => all.draftTokens);
    this.#counter(
      'vllm:spec_decode_num_accepted_tokens_total',
      'guesses that were right',
      (all) => all.acceptedTokens,
    );
    this.#stepTokens = new Histogram({
      ...this.#described('vllm:iteration_tokens_total', 'tokens that one step runs, of prompts and answers'),
      buckets: tokenBounds.filter((bound) => bound <= 10_000),
    });
  }

  watch(engine: WatchedEngine): void {
    this.#engine = engine;
    let { stepTokens: before } = engine.stats();
    engine.onStep(({ stepTokens }) => {
      this.#stepTokens.observe(this.#labels, stepTokens - before);
      before = stepTokens;
    });
  }

  /** A gauge of 1 whose labels are the facts. */
  #cacheConfig(): void {
    const facts = ['block_size', 'num_gpu_blocks', 'cache_dtype', 'enable_prefix_caching'] as const;
    const gauge: Gauge<LabelName | (typeof facts)[number]> = new Gauge({
      ...this.#described('vllm:cache_config_info', 'what the KV cache is, in its labels'),
      labelNames: [...labelNames, ...facts],
      collect: () => {
        const cache = this.#engine?.info.cache;
        if (cache === undefined) return;
        const { blockSize, blocks, type, prefixCache } = cache;
        gauge.set(
          {
            ...this.#labels,
            block_size: blockSize,
            num_gpu_blocks: blocks,
            cache_dtype: type,
            enable_prefix_caching: prefixCache ? 'True' : 'False',
          },
          1,
        );
      },
    });
  }

  #gauge(name: string, help: string, read: Read): void {
    const gauge: Gauge<LabelName> = new Gauge({
      ...this.#described(name, help),
      collect: () => {
        const stats = this.#engine?.stats();
        if (stats !== undefined) gauge.set(this.#labels, read(stats));
      },
    });
  }

  #counter(name: string, help: string, read: Read): void {
    const counter: Counter<LabelName> = new Counter({
      ...this.#described(name, help),
      collect: () => {
        const stats = this.#engine?.stats();
        counter.reset();
        counter.inc(this.#labels, stats === undefined ? 0 : read(stats));
      },
    });
  }

  #described(name: string, help: string) {
    return { name, help, labelNames, registers: [this.#registry] };
  }
}
