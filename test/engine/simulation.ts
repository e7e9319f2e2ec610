// A model of facts under the real scheduler: the next token follows from what the cache holds, so a block lost, shared by
// accident or overwritten shows in the answer. Arrivals, cancels and guesses are drawn from a seed.
import { expect } from 'vitest';
import { BlockManager, type BlockManagerOptions } from '../../src/engine/block-manager.ts';
import { uniform } from '../../src/engine/random.ts';
import type { EngineRequest } from '../../src/engine/request.ts';
import { Scheduler } from '../../src/engine/scheduler.ts';
import type { FinishReason, Sequence } from '../../src/engine/sequence.ts';
import type { Step } from '../../src/engine/step.ts';
import { CacheModel, chain } from './cache-model.ts';

const vocabulary = 24;
const stopToken = 0;

/** The token after `fact`, for answer `index` of a request. */
const tokenAfter = (fact: number, request: EngineRequest, index: number) =>
  Math.abs(chain(fact, request.id * 8 + index)) % vocabulary;

/** The whole answer, from the prompt alone. */
function answerOf(request: EngineRequest, index: number): number[] {
  const answer: number[] = [];
  let fact = request.prompt.reduce(chain, 0);
  while (answer.length < request.maxTokens) {
    const token = tokenAfter(fact, request, index);
    answer.push(token);
    if (token === stopToken) break;
    fact = chain(fact, token);
  }
  return answer;
}

export interface SimulationOptions extends BlockManagerOptions {
  readonly seed: number;
  readonly maxBatch: number;
  readonly maxStepTokens: number;
  readonly maxModelLen: number;
  readonly guesses: number;
}

export class Simulation {
  readonly #options: SimulationOptions;
  readonly #blocks: BlockManager;
  readonly #cache: CacheModel;
  readonly scheduler: Scheduler;
  /** Answers that must still end: `request:index`. */
  readonly #expected = new Set<string>();
  readonly #requests = new Map<number, EngineRequest>();
  readonly counts = { steps: 0, finished: 0, cancelled: 0, refused: 0, guessed: 0, late: 0, tokens: 0 };
  #draws = 0;
  #lastId = 0;

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.#blocks = new BlockManager(options);
    this.#cache = new CacheModel(options);
    this.scheduler = new Scheduler({
      ...options,
      blocks: this.#blocks,
      guess: (sequence, limit) => this.#guess(sequence, limit),
    });
  }

  /** One random thing happens, and everything is checked. */
  event(): void {
    const draw = this.#below(100);
    if (draw < 12) this.#arrive();
    else if (draw < 14) this.#cancel();
    else this.step();
    expect(this.#blocks.verify(Array.from(this.scheduler.sequences, ({ table }) => table.blocks))).toEqual(
      [],
    );
  }

  step(): void {
    const step = this.scheduler.schedule();
    if (step === undefined) {
      expect(this.scheduler.idle, 'there is work, but nothing was scheduled').toBe(true);
      return;
    }
    this.counts.steps++;
    this.#checkLimits(step);
    for (const copy of step.copies) this.#cache.copy(copy);
    for (const { sequence, start, count } of step.runs) {
      const { tokens, table } = sequence;
      expect(this.#cache.firstWrong(tokens, table.blocks, start)).toBe(-1);
      this.#cache.write(tokens, table.blocks, start, start + count);
    }
    for (const run of step.runs) {
      for (const sample of run.samples)
        this.#sample(sample, run.start + run.count - run.guesses, run.guesses);
    }
    this.scheduler.settle(step);
    for (const run of step.runs)
      for (const sample of run.samples) if (sample.finish) this.#finished(sample, sample.finish);
  }

  /** Runs until nothing is left; every answer must have ended. */
  finish(): void {
    for (let steps = 0; !this.scheduler.idle; steps++) {
      expect(steps).toBeLessThan(100_000);
      this.step();
    }
    expect([...this.#expected]).toEqual([]);
    expect(this.#blocks.numFree).toBe(this.#options.numBlocks);
  }

  #arrive(): void {
    const { maxModelLen } = this.#options;
    const common = Array.from({ length: this.#below(maxModelLen) }, (_, i) => (i % 3) + 1);
    const own = Array.from({ length: this.#below(6) }, () => this.#below(vocabulary));
    const n = this.#below(6) === 0 ? 1 + this.#below(3) : 1;
    const request: EngineRequest = {
      id: ++this.#lastId,
      prompt: Int32Array.from([...common, ...own]),
      n,
      maxTokens: this.#below(1 + Math.min(30, maxModelLen)),
      minTokens: 0,
      priority: this.#below(10) === 0 ? 1 : 0,
      stopTokenIds: [stopToken],
      sampling: {},
      ...(this.#below(8) === 0 && { promptLogprobs: 1 }),
    };
    try {
      this.scheduler.add(request);
    } catch (error) {
      const tooLong = request.prompt.length + request.maxTokens > maxModelLen;
      expect(error).toMatchObject({ code: tooLong ? 'context-length-exceeded' : 'bad-request' });
      this.counts.refused++;
      return;
    }
    this.#requests.set(request.id, request);
    for (let index = 0; index < n; index++) this.#expected.add(`${request.id}:${index}`);
  }

  #cancel(): void {
    const ids = [...this.#requests.keys()];
    const id = ids[this.#below(ids.length + 1)];
    if (id === undefined) return;
    this.scheduler.cancel(id);
    this.counts.cancelled++;
    for (let index = 0; index < this.#requests.get(id)!.n; index++) this.#expected.delete(`${id}:${index}`);
    this.#requests.delete(id);
  }

  #guess(sequence: Sequence, limit: number): number {
    const count = Math.min(limit, this.#below(this.#options.guesses + 1));
    let fact = sequence.tokens.subarray(0, sequence.length).reduce(chain, 0);
    const right = Int32Array.from({ length: count }, () => {
      const token = tokenAfter(fact, sequence.request, sequence.index);
      fact = chain(fact, token);
      return token;
    });
    sequence.guess(right.map((token) => (this.#below(4) === 0 ? this.#below(vocabulary) : token)));
    return count;
  }

  /** Takes tokens from the last rows of a run, the first of them at position `end` - 1. */
  #sample(sample: Sequence, end: number, guesses: number): void {
    if (sample.request.maxTokens === 0) return;
    // As an answer whose grammar has not said yet what may follow.
    if (this.#below(30) === 0) {
      this.counts.late++;
      return;
    }
    for (let row = 0; row <= guesses; row++) {
      const fact = this.#cache.fact(sample.table.blocks, end - 1 + row);
      const token = tokenAfter(fact, sample.request, sample.index);
      const guess = sample.tokens[sample.length];
      this.counts.tokens++;
      if (!sample.append(token) || row === guesses || token !== guess) return;
      this.counts.guessed++;
    }
  }

  #finished(sample: Sequence, reason: FinishReason): void {
    const { request, index } = sample;
    const answer = answerOf(request, index);
    expect(Array.from(sample.tokens.subarray(sample.promptLength, sample.length))).toEqual(answer);
    expect(reason).toBe(answer.at(-1) === stopToken ? 'stop' : 'length');
    expect(this.#expected.delete(`${request.id}:${index}`), 'an answer ended twice').toBe(true);
    this.counts.finished++;
  }

  #checkLimits({ runs, numTokens }: Step): void {
    const { maxBatch, maxStepTokens } = this.#options;
    expect(runs.length).toBeLessThanOrEqual(maxBatch);
    expect(numTokens).toBe(runs.reduce((sum, { count }) => sum + count, 0));
    expect(numTokens).toBeLessThanOrEqual(maxStepTokens);
    expect(new Set(runs.map(({ sequence }) => sequence)).size).toBe(runs.length);
    for (const { count } of runs) expect(count).toBeGreaterThan(0);
  }

  #below(limit: number): number {
    return Math.floor(uniform(this.#options.seed, this.#draws++) * limit);
  }
}
