// The engine without a thread: one step is schedule, run, settle. The worker turns it; tests turn it themselves.
import type { Backend } from '../backend/backend.ts';
import type { Model } from '../model/model.ts';
import { BlockManager } from './block-manager.ts';
import type { EngineStats } from './engine-types.ts';
import type { StepMessage } from './messages.ts';
import { lookUpGuess } from './prompt-lookup.ts';
import type { EngineRequest } from './request.ts';
import { type Grammars, Runner } from './runner.ts';
import { Scheduler } from './scheduler.ts';
import type { Sequence } from './sequence.ts';
import type { EnginePlan } from './sizing.ts';
import { StepReport } from './step-report.ts';

export interface CoreOptions {
  readonly model: Model;
  readonly backend: Backend;
  readonly plan: EnginePlan;
  readonly prefixCache?: boolean;
  /** Most tokens guessed ahead; 0 for none. */
  readonly speculative?: number;
  /** For requests with a grammar, which must be open there. */
  readonly grammars?: Grammars & { close(requestId: number): void };
}

export class EngineCore implements Disposable {
  readonly blocks: BlockManager;
  readonly scheduler: Scheduler;
  readonly #runner: Runner;
  readonly #grammars: CoreOptions['grammars'];
  readonly #report = new StepReport();
  readonly #totals = { promptTokens: 0, generationTokens: 0, steps: 0, stepTokens: 0 };

  /** The model must take steps of the plan's `maxStepTokens`; it stays the caller's. */
  constructor({ model, backend, plan, prefixCache = true, speculative = 0, grammars }: CoreOptions) {
    this.blocks = new BlockManager({ ...plan, prefixCache });
    this.scheduler = new Scheduler({
      ...plan,
      blocks: this.blocks,
      ...(speculative > 0 && { guess: lookUpGuess(speculative) }),
    });
    this.#runner = new Runner({ model, backend, ...plan, grammars });
    this.#grammars = grammars;
  }

  get idle(): boolean {
    return this.scheduler.idle;
  }

  /** Takes a request; one that cannot be served fails in the next message. */
  add(request: EngineRequest): void {
    try {
      this.scheduler.add(request);
      this.#totals.promptTokens += request.prompt.length;
    } catch (error) {
      this.fail(request.id, error);
    }
  }

  cancel(requestId: number, index?: number): void {
    this.scheduler.cancel(requestId, index);
    this.#noteEnd(requestId);
  }

  /** Ends a request with an error, which the next message tells. */
  fail(requestId: number, error: unknown): void {
    this.#report.fail(requestId, error);
    this.cancel(requestId);
  }

  /** One step if there is work; what it brought, and whatever else has happened since the last message. */
  step(): StepMessage {
    const begin = performance.now();
    const step = this.scheduler.schedule();
    if (!step) return this.#report.take(this.stats());
    for (const { sequence } of step.runs) sequence.startedAt ??= begin;
    const scheduled = performance.now();
    const times = this.#runner.run(step, this.#report);
    const ran = performance.now();
    this.#totals.steps++;
    this.#totals.stepTokens += step.numTokens;
    this.#totals.generationTokens += this.#report.numTokens;
    this.scheduler.settle(step);
    for (const { samples } of step.runs) for (const sample of samples) this.#noteFinish(sample);
    for (const { requestId } of this.#report.failures) this.cancel(requestId);
    const settle = performance.now() - ran;
    return this.#report.take(this.stats(), { schedule: scheduled - begin, ...times, settle });
  }

  stats(): EngineStats {
    const { counts, numRunning, numWaiting } = this.scheduler;
    return {
      running: numRunning,
      waiting: numWaiting,
      kvBlocksTotal: this.blocks.numBlocks,
      kvBlocksUsed: this.blocks.numBlocks - this.blocks.numFree,
      preemptions: counts.preemptions,
      prefixCacheQueries: counts.lookedUp,
      prefixCacheHits: counts.found,
      drafts: counts.drafts,
      draftTokens: counts.draftTokens,
      acceptedTokens: counts.acceptedTokens,
      ...this.#totals,
    };
  }

  #noteFinish(sample: Sequence): void {
    if (sample.finish === undefined) return;
    if (sample.generated === 0) this.#report.start(sample);
    this.#report.finish(sample);
    this.#noteEnd(sample.request.id);
  }

  #noteEnd(requestId: number): void {
    if (!this.scheduler.has(requestId)) this.#grammars?.close(requestId);
  }

  [Symbol.dispose](): void {
    this.#runner[Symbol.dispose]();
  }
}
