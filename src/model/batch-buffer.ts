// Fills the index tensors of a batch: allocated once for the largest step, rewritten in place for every step.
import type { Backend, Batch } from '../backend/backend.ts';
import type { Tensor } from '../backend/tensor.ts';
import { AtomError } from '../errors.ts';

/** A run of consecutive tokens of one sequence. */
export interface SequenceChunk {
  readonly tokenIds: ArrayLike<number>;
  /** Position of the first of them. */
  readonly start: number;
  /** Cache blocks of the sequence, enough for all positions up to the last of the chunk. */
  readonly blocks: ArrayLike<number>;
}

export interface BatchLimits {
  readonly maxTokens: number;
  readonly maxSequences: number;
  readonly maxBlocksPerSequence: number;
}

export class BatchBuffer implements Disposable {
  readonly limits: BatchLimits;
  readonly #tokenIds: Tensor;
  readonly #positions: Tensor;
  readonly #sequenceStart: Tensor;
  readonly #contextLength: Tensor;
  readonly #blockTable: Tensor;

  constructor(backend: Backend, limits: BatchLimits) {
    this.limits = limits;
    this.#tokenIds = backend.allocate('i32', [limits.maxTokens]);
    this.#positions = backend.allocate('i32', [limits.maxTokens]);
    this.#sequenceStart = backend.allocate('i32', [limits.maxSequences + 1]);
    this.#contextLength = backend.allocate('i32', [limits.maxSequences]);
    this.#blockTable = backend.allocate('i32', [limits.maxSequences, limits.maxBlocksPerSequence]);
  }

  /** The batch of these chunks, in order; valid until the next call. Throws `bad-shape` beyond the limits. */
  fill(chunks: readonly SequenceChunk[]): Batch {
    const { maxTokens, maxSequences, maxBlocksPerSequence } = this.limits;
    const numTokens = chunks.reduce((sum, { tokenIds }) => sum + tokenIds.length, 0);
    if (numTokens > maxTokens || chunks.length > maxSequences) {
      throw new AtomError(
        'bad-shape',
        `${numTokens} rows of ${chunks.length} sequences do not fit a batch of ${maxTokens} rows and ${maxSequences} sequences`,
      );
    }
    const tokenIds = this.#tokenIds.i32();
    const positions = this.#positions.i32();
    const sequenceStart = this.#sequenceStart.i32();
    const contextLength = this.#contextLength.i32();
    const blockTable = this.#blockTable.i32();
    let row = 0;
    for (const [sequence, chunk] of chunks.entries()) {
      sequenceStart[sequence] = row;
      contextLength[sequence] = chunk.start + chunk.tokenIds.length;
      for (let i = 0; i < chunk.tokenIds.length; i++, row++) {
        tokenIds[row] = chunk.tokenIds[i]!;
        positions[row] = chunk.start + i;
      }
      blockTable.set(chunk.blocks, sequence * maxBlocksPerSequence);
    }
    sequenceStart[chunks.length] = row;
    return {
      numTokens,
      numSequences: chunks.length,
      tokenIds: this.#tokenIds,
      positions: this.#positions,
      sequenceStart: this.#sequenceStart,
      contextLength: this.#contextLength,
      blockTable: this.#blockTable,
    };
  }

  [Symbol.dispose](): void {
    for (const tensor of [
      this.#tokenIds,
      this.#positions,
      this.#sequenceStart,
      this.#contextLength,
      this.#blockTable,
    ]) {
      tensor[Symbol.dispose]();
    }
  }
}
