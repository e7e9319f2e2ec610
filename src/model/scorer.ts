// Teacher-forced scoring: how probable a model finds each token of a text, given those before it.
// Perplexity, zero-shot tasks and sensitivity measurements stand on this; there is no sampling and no queue here.
import type { Backend, KvCache } from '../backend/backend.ts';
import type { Tensor } from '../backend/tensor.ts';
import { AtomError } from '../errors.ts';
import { BatchBuffer } from './batch-buffer.ts';
import type { Model } from './model.ts';

const blockSize = 32;

export class Scorer implements Disposable {
  readonly window: number;
  readonly #model: Model;
  readonly #backend: Backend;
  readonly #cache: KvCache;
  readonly #buffer: BatchBuffer;
  readonly #blocks: Int32Array;
  readonly #rows: Tensor; // (maxOutputs) i32
  readonly #targets: Tensor; // (maxOutputs) i32
  readonly #logProbs: Tensor; // (maxOutputs) f32

  /** Scores texts of up to `window` tokens. */
  constructor({ model, backend, window }: { model: Model; backend: Backend; window: number }) {
    if (window > model.maxPositions) {
      throw new AtomError(
        'bad-option',
        `a window of ${window} tokens is longer than the model's context of ${model.maxPositions}`,
      );
    }
    const numBlocks = Math.ceil(window / blockSize);
    this.window = window;
    this.#model = model;
    this.#backend = backend;
    this.#cache = model.createKvCache({ blockSize, numBlocks });
    this.#buffer = new BatchBuffer(backend, {
      maxTokens: model.maxTokens,
      maxSequences: 1,
      maxBlocksPerSequence: numBlocks,
    });
    this.#blocks = Int32Array.from({ length: numBlocks }, (_, block) => block);
    this.#rows = backend.allocate('i32', [model.maxOutputs]);
    this.#targets = backend.allocate('i32', [model.maxOutputs]);
    this.#logProbs = backend.allocate('f32', [model.maxOutputs]);
  }

  /** Log-probability (natural) of tokenIds[i + 1] given tokenIds[0..i]: tokenIds.length - 1 values. */
  score(tokenIds: ArrayLike<number>): Float32Array {
    const ids = Int32Array.from(tokenIds);
    if (ids.length > this.window) {
      throw new AtomError(
        'context-length-exceeded',
        `${ids.length} tokens do not fit the scoring window of ${this.window}`,
      );
    }
    const scores = new Float32Array(Math.max(ids.length - 1, 0));
    const step = this.#model.maxTokens;
    for (let start = 0; start < scores.length; start += step) {
      const count = Math.min(step, scores.length - start);
      const chunk = { tokenIds: ids.subarray(start, start + count), start, blocks: this.#blocks };
      this.#model.run({ batch: this.#buffer.fill([chunk]), cache: this.#cache });
      this.#scoreRows({
        targets: ids.subarray(start + 1, start + 1 + count),
        out: scores.subarray(start, start + count),
      });
    }
    return scores;
  }

  /** Scores the rows of the last run, as many at a time as the model gives logits for. */
  #scoreRows({ targets, out }: { targets: Int32Array; out: Float32Array }): void {
    const most = this.#model.maxOutputs;
    for (let first = 0; first < targets.length; first += most) {
      const rows = Math.min(most, targets.length - first);
      this.#rows.i32().set(Int32Array.from({ length: rows }, (_, row) => first + row));
      this.#targets.i32().set(targets.subarray(first, first + rows));
      const logits = this.#model.logits({ outputRows: this.#rows, numOutputs: rows });
      this.#backend.logProb({ logits, tokenIds: this.#targets, out: this.#logProbs, rows });
      out.set(this.#logProbs.f32().subarray(0, rows), first);
    }
  }

  [Symbol.dispose](): void {
    for (const resource of [this.#cache, this.#buffer, this.#rows, this.#targets, this.#logProbs]) {
      resource[Symbol.dispose]();
    }
  }
}
