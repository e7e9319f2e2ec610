// A paged cache in which every token has been written, and batches of decodes over it.
import type { AttentionGeometry, Backend, Batch, KvCache } from '../../backend/backend.ts';
import type { Tensor } from '../../backend/tensor.ts';
import { BatchBuffer, type SequenceChunk } from '../../model/batch-buffer.ts';
import { createRopeTables, type RopeTables } from '../../model/rope.ts';
import { decoderConfig } from './decoder-config.ts';
import type { Owner } from './owner.ts';
import { noiseTensor } from './random-weights.ts';
import type { DecoderShape } from './shapes.ts';

export type KvBits = 4 | 8 | 16;

export const blockSize = 16;

export class FilledPages {
  readonly cache: KvCache;
  readonly qkv: Tensor; // (rows, (heads + 2 kvHeads) headDim) f32
  readonly #owner: Owner;
  readonly #backend: Backend;
  readonly #context: number;
  readonly #rope: RopeTables;
  readonly #geometry: AttentionGeometry;

  constructor(
    owner: Owner,
    backend: Backend,
    options: { shape: DecoderShape; bits: KvBits; sequences: number; context: number },
  ) {
    const { shape, bits, sequences, context } = options;
    const { numHeads, numKvHeads, headDim } = shape;
    const chunk = Math.min(context, 512);
    this.#owner = owner;
    this.#backend = backend;
    this.#context = context;
    this.#rope = owner.own(createRopeTables(backend, decoderConfig(shape), context));
    this.#geometry = { numHeads, numKvHeads, headDim };
    const channels = (numHeads + 2 * numKvHeads) * headDim;
    this.qkv = owner.own(noiseTensor(backend, 'f32', [Math.max(chunk, sequences), channels]));
    const numBlocks = sequences * this.#blocksEach;
    const formats = [{ keyBits: bits, valueBits: bits }];
    this.cache = owner.own(backend.createKvCache({ formats, numKvHeads, headDim, blockSize, numBlocks }));
    for (let sequence = 0; sequence < sequences; sequence++) {
      for (let start = 0; start < context; start += chunk) {
        const tokens = Math.min(chunk, context - start);
        using buffer = this.#buffer(tokens, 1);
        this.append(buffer.fill([this.#chunk(sequence, start, tokens)]));
      }
    }
  }

  /** One new token, the last of its context, of each of `count` sequences. */
  decode(first: number, count: number): Batch {
    const buffer = this.#owner.own(this.#buffer(count, count));
    const last = this.#context - 1;
    return buffer.fill(Array.from({ length: count }, (_, i) => this.#chunk(first + i, last, 1)));
  }

  append(batch: Batch): void {
    this.#backend.ropeAppendKv({ ...this.operands, cos: this.#rope.cos, sin: this.#rope.sin, batch });
  }

  /** What attention and the append before it have in common. */
  get operands() {
    return { qkv: this.qkv, geometry: this.#geometry, cache: this.cache, layer: 0 };
  }

  /** Bytes of the cached keys and values of one token, scales and zeros counted. */
  get tokenBytes(): number {
    return this.cache.byteLength / (this.cache.numBlocks * blockSize);
  }

  get #blocksEach(): number {
    return Math.ceil(this.#context / blockSize);
  }

  #buffer(maxTokens: number, maxSequences: number): BatchBuffer {
    return new BatchBuffer(this.#backend, {
      maxTokens,
      maxSequences,
      maxBlocksPerSequence: this.#blocksEach,
    });
  }

  #chunk(sequence: number, start: number, tokens: number): SequenceChunk {
    const blocks = Array.from({ length: this.#blocksEach }, (_, i) => sequence * this.#blocksEach + i);
    return { tokenIds: new Int32Array(tokens), start, blocks };
  }
}
