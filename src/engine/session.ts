// One conversation with a model: a cache of its own, and text generated token by token.
// What a new prompt shares with the one before stays in the cache and is not computed again.
import type { Backend, KvCache } from '../backend/backend.ts';
import type { Tensor } from '../backend/tensor.ts';
import { AtomError } from '../errors.ts';
import { BatchBuffer } from '../model/batch-buffer.ts';
import type { Model } from '../model/model.ts';
import type { SamplingOptions } from './sampling-options.ts';
import { SequenceSampler } from './sequence-sampler.ts';

const blockSize = 32;

export interface GenerateOptions extends SamplingOptions {
  readonly maxTokens: number;
  /** Ends the text after one of these tokens, which is not part of it. */
  readonly stopTokenIds?: readonly number[];
  readonly signal?: AbortSignal;
}

export class Session implements Disposable {
  /** Longest context, prompt and answer together. */
  readonly maxPositions: number;
  readonly #model: Model;
  readonly #cache: KvCache;
  readonly #buffer: BatchBuffer;
  readonly #row: Tensor; // (1) i32
  readonly #blocks: Int32Array;
  readonly #backend: Backend;
  readonly #scratch: Tensor; // (vocab) f32
  #cached: number[] = [];

  constructor({
    model,
    backend,
    maxPositions = model.maxPositions,
  }: { model: Model; backend: Backend; maxPositions?: number }) {
    this.maxPositions = Math.min(maxPositions, model.maxPositions);
    const numBlocks = Math.ceil(this.maxPositions / blockSize);
    this.#model = model;
    this.#cache = model.createKvCache({ blockSize, numBlocks });
    this.#buffer = new BatchBuffer(backend, {
      maxTokens: model.maxTokens,
      maxSequences: 1,
      maxBlocksPerSequence: numBlocks,
    });
    this.#row = backend.allocate('i32', [1]);
    this.#blocks = Int32Array.from({ length: numBlocks }, (_, block) => block);
    this.#backend = backend;
    this.#scratch = backend.allocate('f32', [model.config.vocabSize]);
  }

  /**
   * Token ids of the answer, one at a time, up to maxTokens or the end of the context.
   * Throws `context-length-exceeded` when the prompt leaves no room, `cancelled` on abort, `bad-request` for an empty prompt.
   */
  async *generate(prompt: ArrayLike<number>, options: GenerateOptions): AsyncGenerator<number> {
    const { maxTokens, stopTokenIds = [], signal } = options;
    const ids = Array.from(prompt);
    if (ids.length === 0) throw new AtomError('bad-request', 'the prompt is empty; give at least one token');
    if (ids.length >= this.maxPositions) {
      throw new AtomError(
        'context-length-exceeded',
        `the prompt has ${ids.length} tokens, but the context holds ${this.maxPositions}, the answer included; shorten the prompt`,
      );
    }
    const own = new SequenceSampler({ sampling: options, prompt: ids });
    const room = Math.min(maxTokens, this.maxPositions - ids.length);
    for (let count = 0; count < room; count++) {
      // The caller's text goes out, and an interrupt comes in, between steps.
      await new Promise((resolve) => setImmediate(resolve));
      if (signal?.aborted)
        throw new AtomError('cancelled', 'generation was interrupted', { cause: signal.reason });
      const logits = this.#logitsAfter(ids);
      const next = own.choose(this.#backend, {
        logits,
        row: 0,
        scratch: this.#scratch,
        position: ids.length,
      });
      if (stopTokenIds.includes(next)) return;
      ids.push(next);
      own.see(next);
      yield next;
    }
  }

  /** Logits of the token after `ids`: (1, vocab) f32. What the cache does not hold yet is run in steps. */
  #logitsAfter(ids: readonly number[]): Tensor {
    let start = commonPrefix(this.#cached, ids);
    // The last token is always run: its hidden state gives the logits.
    start = Math.min(start, ids.length - 1);
    this.#cached.length = start;
    let rows = 0;
    while (start < ids.length) {
      const tokenIds = ids.slice(start, start + this.#model.maxTokens);
      this.#model.run({
        batch: this.#buffer.fill([{ tokenIds, start, blocks: this.#blocks }]),
        cache: this.#cache,
      });
      this.#cached.push(...tokenIds);
      rows = tokenIds.length;
      start += rows;
    }
    this.#row.i32()[0] = rows - 1;
    return this.#model.logits({ outputRows: this.#row, numOutputs: 1 });
  }

  [Symbol.dispose](): void {
    for (const resource of [this.#cache, this.#buffer, this.#row, this.#scratch]) resource[Symbol.dispose]();
  }
}

function commonPrefix(a: readonly number[], b: readonly number[]): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return i;
  return length;
}
