// The cache blocks of one sequence, in order: found again, grown, shared and given back.
// It knows tokens only as what blocks are found by.
import type { BlockManager } from './block-manager.ts';
import { emptyPrefix } from './prefix-index.ts';

/** A block to be copied before the next step writes. */
export interface BlockCopy {
  readonly from: number;
  readonly to: number;
}

export class BlockTable {
  readonly #manager: BlockManager;
  readonly #blocks: number[] = [];
  /** Leading blocks that the index knows, and the id of the prefix they make. */
  #registered = 0;
  #prefix = emptyPrefix;

  constructor(manager: BlockManager) {
    this.#manager = manager;
  }

  get blocks(): readonly number[] {
    return this.#blocks;
  }

  /** Free blocks that room for `numTokens` tokens takes, when positions from `writeFrom` on are written next. */
  blocksNeeded(numTokens: number, writeFrom: number): number {
    const { blockSize } = this.#manager;
    const more = Math.max(0, Math.ceil(numTokens / blockSize) - this.#blocks.length);
    return more + (this.#sharedAt(writeFrom) ? 1 : 0);
  }

  /**
   * Takes the longest run of known blocks that begin `tokens`, of at most `limit` tokens. The table must be empty.
   * Returns the tokens they hold.
   */
  takeKnown(tokens: ArrayLike<number>, limit: number): number {
    const { blockSize } = this.#manager;
    for (let end = blockSize; end <= limit; end += blockSize) {
      const block = this.#manager.find(this.#prefix, tokens, end - blockSize);
      if (block < 0) break;
      this.#manager.retain(block);
      this.#blocks.push(block);
      this.#registered++;
      this.#prefix = this.#manager.prefixOf(block);
    }
    return this.#blocks.length * blockSize;
  }

  /**
   * Makes room for `numTokens` tokens, positions from `writeFrom` on being written next: a block there that others use
   * too is replaced by a copy. The caller has seen to it that `blocksNeeded` blocks are free.
   */
  reserve(numTokens: number, writeFrom: number): BlockCopy | undefined {
    const { blockSize } = this.#manager;
    let copy: BlockCopy | undefined;
    if (this.#sharedAt(writeFrom)) {
      const at = Math.floor(writeFrom / blockSize);
      const from = this.#blocks[at]!;
      const to = this.#manager.allocate();
      this.#blocks[at] = to;
      this.#manager.release(from);
      copy = { from, to };
    }
    while (this.#blocks.length * blockSize < numTokens) this.#blocks.push(this.#manager.allocate());
    return copy;
  }

  /** Makes the full blocks among the first `computed` tokens findable; equal blocks become one. */
  register(tokens: ArrayLike<number>, computed: number): void {
    const { blockSize } = this.#manager;
    for (let end = (this.#registered + 1) * blockSize; end <= computed; end += blockSize) {
      const own = this.#blocks[this.#registered]!;
      const known = this.#manager.register(own, this.#prefix, tokens, end - blockSize);
      if (known < 0) return;
      if (known !== own) {
        this.#manager.retain(known);
        this.#manager.release(own);
        this.#blocks[this.#registered] = known;
      }
      this.#registered++;
      this.#prefix = this.#manager.prefixOf(known);
    }
  }

  /** A second table over the same blocks. */
  fork(): BlockTable {
    const other = new BlockTable(this.#manager);
    for (const block of this.#blocks) {
      this.#manager.retain(block);
      other.#blocks.push(block);
    }
    other.#registered = this.#registered;
    other.#prefix = this.#prefix;
    return other;
  }

  /** Gives all blocks back, the last first. */
  release(): void {
    for (let block = this.#blocks.pop(); block !== undefined; block = this.#blocks.pop()) {
      this.#manager.release(block);
    }
    this.#registered = 0;
    this.#prefix = emptyPrefix;
  }

  /** Whether position `at` lies in a block of this table that others use too. Full blocks are never written again. */
  #sharedAt(at: number): boolean {
    const { blockSize } = this.#manager;
    if (at % blockSize === 0) return false;
    const block = this.#blocks[Math.floor(at / blockSize)];
    return block !== undefined && this.#manager.isShared(block);
  }
}
