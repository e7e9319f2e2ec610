// Finds the cache block that holds given tokens after a given beginning.
// A prefix is a chain: each indexed block has an id that no other prefix ever had, and its key is the id of the block
// before it and its own tokens. Keys are hashed, and compared in full, so that two prefixes never pass for one.
// It must not know who uses a block.

/** Id of the empty prefix. */
export const emptyPrefix = 0;

const none = -1;

export class PrefixIndex {
  readonly #blockSize: number;
  readonly #tokens: Int32Array; // (blocks, blockSize), those of indexed blocks
  readonly #ids: Float64Array; // (blocks), 0 for blocks that are not indexed
  readonly #parents: Float64Array; // (blocks), id of the prefix before the block
  readonly #heads: Int32Array; // (a power of two), first block of each bucket
  readonly #following: Int32Array; // (blocks), next block of the same bucket
  readonly #seed: number;
  #lastId = emptyPrefix;

  constructor({ numBlocks, blockSize }: { numBlocks: number; blockSize: number }) {
    this.#blockSize = blockSize;
    this.#tokens = new Int32Array(numBlocks * blockSize);
    this.#ids = new Float64Array(numBlocks);
    this.#parents = new Float64Array(numBlocks);
    this.#heads = new Int32Array(2 ** Math.ceil(Math.log2(numBlocks * 2 + 1))).fill(none);
    this.#following = new Int32Array(numBlocks).fill(none);
    // Clients choose tokens; they must not be able to choose buckets.
    this.#seed = Math.floor(Math.random() * 2 ** 31);
  }

  /** Id of the prefix that ends with the block; 0 if it is not indexed. */
  idOf(block: number): number {
    return this.#ids[block]!;
  }

  /** The block of tokens [start, start + blockSize) after `parent`, or -1. */
  find(parent: number, tokens: ArrayLike<number>, start: number): number {
    let block = this.#heads[this.#bucket(parent, tokens, start)]!;
    while (block !== none && !this.#holds(block, parent, tokens, start)) block = this.#following[block]!;
    return block;
  }

  /** Indexes a block; `find` must have returned -1 for the same key. */
  add(block: number, parent: number, tokens: ArrayLike<number>, start: number): void {
    const own = this.#tokens.subarray(block * this.#blockSize, (block + 1) * this.#blockSize);
    for (let i = 0; i < this.#blockSize; i++) own[i] = tokens[start + i]!;
    this.#ids[block] = ++this.#lastId;
    this.#parents[block] = parent;
    const bucket = this.#bucket(parent, own, 0);
    this.#following[block] = this.#heads[bucket]!;
    this.#heads[bucket] = block;
  }

  /** Forgets the block; does nothing if it is not indexed. */
  remove(block: number): void {
    if (this.#ids[block] === 0) return;
    const bucket = this.#bucket(this.#parents[block]!, this.#tokens, block * this.#blockSize);
    let at = this.#heads[bucket]!;
    if (at === block) {
      this.#heads[bucket] = this.#following[block]!;
    } else {
      while (this.#following[at] !== block) at = this.#following[at]!;
      this.#following[at] = this.#following[block]!;
    }
    this.#ids[block] = 0;
    this.#following[block] = none;
  }

  /** Problems found, for tests: every indexed block must be found by its own key. */
  verify(): string[] {
    const problems: string[] = [];
    for (const [block, id] of this.#ids.entries()) {
      if (id === 0) continue;
      const found = this.find(this.#parents[block]!, this.#tokens, block * this.#blockSize);
      if (found !== block) problems.push(`the key of block ${block} finds block ${found}`);
    }
    return problems;
  }

  #holds(block: number, parent: number, tokens: ArrayLike<number>, start: number): boolean {
    if (this.#parents[block] !== parent) return false;
    const first = block * this.#blockSize;
    for (let i = 0; i < this.#blockSize; i++) if (this.#tokens[first + i] !== tokens[start + i]) return false;
    return true;
  }

  /** FNV-1a over words (Fowler, Noll and Vo), with a last mixing step for the low bits. */
  #bucket(parent: number, tokens: ArrayLike<number>, start: number): number {
    let hash = Math.imul(this.#seed ^ (parent >>> 0), 0x01000193) ^ Math.floor(parent / 2 ** 32);
    for (let i = start; i < start + this.#blockSize; i++) hash = Math.imul(hash ^ tokens[i]!, 0x01000193);
    hash ^= hash >>> 15;
    return Math.imul(hash, 0x2c1b3c6d) >>> (Math.clz32(this.#heads.length) + 1);
  }
}
