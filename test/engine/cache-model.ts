// A cache of facts instead of numbers: each position remembers every token up to it, so that a block which two sequences
// share by accident, or which was overwritten, is seen at once.

/** A fingerprint of a token after everything before it. */
export function chain(before: number, token: number): number {
  let mixed = Math.imul(before ^ token, 0x9e3779b1) ^ (before >>> 7);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x85ebca77);
  return (mixed ^ (mixed >>> 13)) | 0;
}

export class CacheModel {
  readonly #blockSize: number;
  readonly #facts: Int32Array; // (blocks, blockSize)

  constructor({ numBlocks, blockSize }: { numBlocks: number; blockSize: number }) {
    this.#blockSize = blockSize;
    this.#facts = new Int32Array(numBlocks * blockSize);
  }

  copy({ from, to }: { from: number; to: number }): void {
    const size = this.#blockSize;
    this.#facts.copyWithin(to * size, from * size, (from + 1) * size);
  }

  /** Writes positions [start, end) of a sequence, which follow what its table shows. */
  write(tokens: ArrayLike<number>, blocks: readonly number[], start: number, end: number): void {
    let fact = start === 0 ? 0 : this.#facts[this.#at(blocks, start - 1)]!;
    for (let position = start; position < end; position++) {
      fact = chain(fact, tokens[position]!);
      this.#facts[this.#at(blocks, position)] = fact;
    }
  }

  /** What a position holds. */
  fact(blocks: readonly number[], position: number): number {
    return this.#facts[this.#at(blocks, position)]!;
  }

  /** First position below `end` that does not hold what it should, or -1. */
  firstWrong(tokens: ArrayLike<number>, blocks: readonly number[], end: number): number {
    let fact = 0;
    for (let position = 0; position < end; position++) {
      fact = chain(fact, tokens[position]!);
      if (this.#facts[this.#at(blocks, position)] !== fact) return position;
    }
    return -1;
  }

  #at(blocks: readonly number[], position: number): number {
    return blocks[Math.floor(position / this.#blockSize)]! * this.#blockSize + (position % this.#blockSize);
  }
}
