// Which cache blocks are in use, by how many sequences, and which free ones still hold a prefix worth finding again.
// Free blocks form one list: those that hold nothing are taken first, then the one released longest ago.
// It deals in block numbers; it must not know tensors, sequences or requests.
import { AtomError } from '../errors.ts';
import { PrefixIndex } from './prefix-index.ts';

export interface BlockManagerOptions {
  readonly numBlocks: number;
  /** Tokens of a block. */
  readonly blockSize: number;
  /** Whether computed blocks are kept for later prompts that begin alike; default true. */
  readonly prefixCache?: boolean;
}

export class BlockManager {
  readonly numBlocks: number;
  readonly blockSize: number;
  readonly #prefixCache: boolean;
  readonly #index: PrefixIndex;
  readonly #references: Int32Array; // (blocks)
  // Neighbours in the list of free blocks, closed to a ring by an entry of its own at `numBlocks`.
  readonly #next: Int32Array; // (blocks + 1)
  readonly #previous: Int32Array; // (blocks + 1)
  #numFree = 0;

  constructor({ numBlocks, blockSize, prefixCache = true }: BlockManagerOptions) {
    this.numBlocks = numBlocks;
    this.blockSize = blockSize;
    this.#prefixCache = prefixCache;
    this.#index = new PrefixIndex({ numBlocks, blockSize });
    this.#references = new Int32Array(numBlocks);
    this.#next = new Int32Array(numBlocks + 1).fill(numBlocks);
    this.#previous = new Int32Array(numBlocks + 1).fill(numBlocks);
    for (let block = 0; block < numBlocks; block++) this.#insertBefore(numBlocks, block);
  }

  /** Blocks that nobody uses, whether they hold a prefix or not. */
  get numFree(): number {
    return this.#numFree;
  }

  /** A block for one user, its old contents forgotten; -1 when none is free. */
  allocate(): number {
    const block = this.#next[this.numBlocks]!;
    if (block === this.numBlocks) return -1;
    this.#unlink(block);
    this.#index.remove(block);
    this.#references[block] = 1;
    return block;
  }

  /** Adds a user to a block that is in use or holds a prefix. */
  retain(block: number): void {
    if (this.#references[block]!++ === 0) this.#unlink(block);
  }

  /** Takes a user away. Whoever releases a whole sequence begins at its end, so that beginnings stay longest. */
  release(block: number): void {
    const left = --this.#references[block]!;
    if (left > 0) return;
    if (left < 0) throw new AtomError('internal', `cache block ${block} was released once too often`);
    const { numBlocks } = this;
    this.#insertBefore(this.#index.idOf(block) === 0 ? this.#next[numBlocks]! : numBlocks, block);
  }

  isShared(block: number): boolean {
    return this.#references[block]! > 1;
  }

  /** The block that holds tokens [start, start + blockSize) after the prefix `parent`, or -1. Takes no reference. */
  find(parent: number, tokens: ArrayLike<number>, start: number): number {
    return this.#index.find(parent, tokens, start);
  }

  /** Id of the prefix that ends with the block; 0 if it holds none. */
  prefixOf(block: number): number {
    return this.#index.idOf(block);
  }

  /**
   * Makes a computed block findable. Returns the block that now holds the prefix: `block`, or an equal one that was there
   * before, which the caller should use instead; -1 where prefixes are not kept.
   */
  register(block: number, parent: number, tokens: ArrayLike<number>, start: number): number {
    if (!this.#prefixCache) return -1;
    const known = this.#index.find(parent, tokens, start);
    if (known >= 0) return known;
    this.#index.add(block, parent, tokens, start);
    return block;
  }

  /** What is wrong, for tests; `tables` are the blocks of every user. An empty list when all is well. */
  verify(tables: Iterable<readonly number[]>): string[] {
    const problems = this.#index.verify();
    const expected = new Int32Array(this.numBlocks);
    for (const table of tables) {
      if (new Set(table).size !== table.length)
        problems.push(`a table names a block twice: ${table.join(' ')}`);
      for (const block of table) expected[block]!++;
    }
    const listed = new Uint8Array(this.numBlocks);
    let count = 0;
    for (let at = this.#next[this.numBlocks]!; at !== this.numBlocks; at = this.#next[at]!) {
      if (listed[at] || ++count > this.numBlocks) return [...problems, 'the list of free blocks has a loop'];
      listed[at] = 1;
    }
    if (count !== this.#numFree) problems.push(`${count} free blocks are listed, ${this.#numFree} counted`);
    for (const [block, references] of this.#references.entries()) {
      if (references !== expected[block])
        problems.push(`block ${block} counts ${references} users and has ${expected[block]}`);
      if ((references === 0) !== (listed[block] === 1))
        problems.push(
          `block ${block} has ${references} users and is ${listed[block] ? '' : 'not '}listed as free`,
        );
    }
    return problems;
  }

  #insertBefore(at: number, block: number): void {
    const before = this.#previous[at]!;
    this.#next[before] = block;
    this.#previous[block] = before;
    this.#next[block] = at;
    this.#previous[at] = block;
    this.#numFree++;
  }

  #unlink(block: number): void {
    this.#next[this.#previous[block]!] = this.#next[block]!;
    this.#previous[this.#next[block]!] = this.#previous[block]!;
    this.#numFree--;
  }
}
