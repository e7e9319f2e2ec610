// What Prometheus scrapes of requests: the names that dashboards of this field read (vLLM's), then our own under `atom:`.
// Times are observed as they happen; what the engine counts by itself is in engine-metrics.ts.
import { Counter, collectDefaultMetrics, Histogram, Registry } from 'prom-client';
import type { FinishEvent } from '../engine/engine-types.ts';
import { EngineMetrics, type WatchedEngine } from './engine-metrics.ts';
import type { CompletedRequest, TimingObserver } from './generation/request-timer.ts';
import {
  answersBounds,
  betweenTokensBounds,
  firstTokenBounds,
  requestBounds,
  tokenBounds,
} from './metric-bounds.ts';

/** Why a request ended without its answer. */
const abortReasons = ['disconnect', 'timeout', 'shutdown', 'refused', 'failure'] as const;
export type AbortReason = (typeof abortReasons)[number];

export interface MetricsOptions {
  readonly modelName: string;
  /** Requests refused so far, by reason. */
  readonly rejections: () => Readonly<Record<string, number>>;
}

/** What a request asked for, observed when it is taken on. */
export interface RequestParameters {
  readonly n: number;
  readonly maxTokens: number;
}

const names = ['model_name', 'engine'] as const;

export class Metrics implements TimingObserver {
  readonly registry = new Registry();
  readonly #engine: EngineMetrics;
  readonly #labels: { readonly model_name: string; readonly engine: string };
  readonly #finished = this.#counter('vllm:request_success_total', 'answers given', ['finished_reason']);
  readonly #aborted = this.#counter('atom:requests_aborted_total', 'requests without an answer', ['reason']);
  readonly #http: Counter<'handler' | 'method' | 'status'>;
  readonly #httpSeconds: Histogram<'handler' | 'method'>;
  readonly #firstToken = this.#histogram('vllm:time_to_first_token_seconds', firstTokenBounds);
  readonly #nextToken = this.#histogram('vllm:inter_token_latency_seconds', betweenTokensBounds);
  readonly #perToken = this.#histogram('vllm:time_per_output_token_seconds', betweenTokensBounds);
  readonly #endToEnd = this.#histogram('vllm:e2e_request_latency_seconds', requestBounds);
  readonly #queue = this.#histogram('vllm:request_queue_time_seconds', requestBounds);
  readonly #prefill = this.#histogram('vllm:request_prefill_time_seconds', requestBounds);
  readonly #decode = this.#histogram('vllm:request_decode_time_seconds', requestBounds);
  readonly #inference = this.#histogram('vllm:request_inference_time_seconds', requestBounds);
  readonly #promptTokens = this.#histogram('vllm:request_prompt_tokens', tokenBounds);
  readonly #generationTokens = this.#histogram('vllm:request_generation_tokens', tokenBounds);
  readonly #maxGeneration = this.#histogram('vllm:request_max_num_generation_tokens', tokenBounds);
  readonly #paramsN = this.#histogram('vllm:request_params_n', answersBounds);
  readonly #paramsMaxTokens = this.#histogram('vllm:request_params_max_tokens', tokenBounds);

  constructor({ modelName, rejections }: MetricsOptions) {
    this.#labels = { model_name: modelName, engine: '0' };
    const { registry } = this;
    collectDefaultMetrics({ register: registry });
    this.#http = new Counter({
      name: 'http_requests_total',
      help: 'HTTP requests by route and class of status',
      labelNames: ['handler', 'method', 'status'],
      registers: [registry],
    });
    this.#httpSeconds = new Histogram({
      name: 'http_request_duration_seconds',
      help: 'seconds from request to the end of its response',
      labelNames: ['handler', 'method'],
      buckets: firstTokenBounds,
      registers: [registry],
    });
    this.#engine = new EngineMetrics(registry, this.#labels);
    const refused = this.#counter('vllm:admission_rejections_total', 'requests refused', ['reason'], () => {
      refused.reset();
      for (const [reason, count] of Object.entries(rejections()))
        refused.inc({ ...this.#labels, reason }, count);
    });
    // A counter that is not there before it counts hides its first increase.
    for (const finished_reason of ['stop', 'length'])
      this.#finished.inc({ ...this.#labels, finished_reason }, 0);
    for (const reason of abortReasons) this.#aborted.inc({ ...this.#labels, reason }, 0);
  }

  /** Tells of the engine, once it is loaded. */
  watch(engine: WatchedEngine): void {
    this.#engine.watch(engine);
  }

  /** The text of /metrics. */
  text(): Promise<string> {
    return this.registry.metrics();
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  http({
    handler,
    method,
    status,
    seconds,
  }: {
    handler: string;
    method: string;
    status: number;
    seconds: number;
  }): void {
    this.#http.inc({ handler, method, status: `${Math.floor(status / 100)}xx` });
    this.#httpSeconds.observe({ handler, method }, seconds);
  }

  requested({ n, maxTokens }: RequestParameters): void {
    this.#paramsN.observe(this.#labels, n);
    this.#paramsMaxTokens.observe(this.#labels, maxTokens);
  }

  firstToken(seconds: number): void {
    this.#firstToken.observe(this.#labels, seconds);
  }

  nextToken(seconds: number): void {
    this.#nextToken.observe(this.#labels, seconds);
    this.#perToken.observe(this.#labels, seconds);
  }

  answered({ reason, usage }: FinishEvent): void {
    const { queueSeconds, prefillSeconds, decodeSeconds, promptTokens, completionTokens } = usage;
    this.#finished.inc({ ...this.#labels, finished_reason: reason });
    this.#queue.observe(this.#labels, queueSeconds);
    this.#prefill.observe(this.#labels, prefillSeconds);
    this.#decode.observe(this.#labels, decodeSeconds);
    this.#inference.observe(this.#labels, prefillSeconds + decodeSeconds);
    this.#promptTokens.observe(this.#labels, promptTokens);
    this.#generationTokens.observe(this.#labels, completionTokens);
  }

  completed({ seconds, longestAnswer }: CompletedRequest): void {
    this.#endToEnd.observe(this.#labels, seconds);
    this.#maxGeneration.observe(this.#labels, longestAnswer);
  }

  aborted(reason: AbortReason): void {
    this.#aborted.inc({ ...this.#labels, reason });
  }

  #counter<L extends string>(
    name: string,
    help: string,
    more: readonly L[],
    collect?: () => void,
  ): Counter<L | 'model_name' | 'engine'> {
    const labelNames = [...names, ...more];
    return new Counter({ name, help, labelNames, registers: [this.registry], ...(collect && { collect }) });
  }

  #histogram(name: string, buckets: readonly number[]): Histogram<'model_name' | 'engine'> {
    const help = name.slice(name.indexOf(':') + 1).replaceAll('_', ' ');
    return new Histogram({
      name,
      help,
      labelNames: names,
      buckets: [...buckets],
      registers: [this.registry],
    });
  }
}
