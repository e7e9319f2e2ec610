// A binary min-heap of (rank, position) pairs, both in one double: the lowest rank first, then the leftmost.

/** Positions stay below this; of the 53 bits of a double, ranks then have 21. */
const POSITIONS = 2 ** 32;
const CAPACITY = 1024;

export class MergeHeap {
  static readonly maxRanks = 2 ** 21;
  /** The pair that pop() took. */
  rank = 0;
  position = 0;
  #keys = new Float64Array(CAPACITY); // (capacity), the first #count of them a heap
  #count = 0;

  /** Empties the heap, and gives back what a very long text made it grow to. */
  clear(): void {
    this.#count = 0;
    if (this.#keys.length > 64 * CAPACITY) this.#keys = new Float64Array(CAPACITY);
  }

  push(rank: number, position: number): void {
    if (this.#count === this.#keys.length) {
      const larger = new Float64Array(this.#count * 2);
      larger.set(this.#keys);
      this.#keys = larger;
    }
    const keys = this.#keys;
    const key = rank * POSITIONS + position;
    let at = this.#count++;
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (keys[parent]! <= key) break;
      keys[at] = keys[parent]!;
      at = parent;
    }
    keys[at] = key;
  }

  /** Sets `rank` and `position` to the least pair and removes it; false when there is none. */
  pop(): boolean {
    if (this.#count === 0) return false;
    const keys = this.#keys;
    const least = keys[0]!;
    this.rank = Math.floor(least / POSITIONS);
    this.position = least - this.rank * POSITIONS;
    const moved = keys[--this.#count]!;
    let at = 0;
    for (let child = 1; child < this.#count; child = 2 * at + 1) {
      if (child + 1 < this.#count && keys[child + 1]! < keys[child]!) child++;
      if (keys[child]! >= moved) break;
      keys[at] = keys[child]!;
      at = child;
    }
    keys[at] = moved;
    return true;
  }
}
