// Pair of token ids -> rank of its merge and the token it makes: an open-addressing hash table on typed arrays.
// A Map keyed by pairs took several times the memory and the time for the 280,000 merges of Llama 3.

export class PairTable {
  readonly #mask: number;
  readonly #left: Int32Array; // (slots), -1 where free
  readonly #right: Int32Array; // (slots)
  readonly #rank: Int32Array; // (slots)
  readonly #merged: Int32Array; // (slots)

  /** Room for `count` pairs; at most half of the slots are ever taken, so that probing stays short. */
  constructor(count: number) {
    const slots = 2 ** Math.ceil(Math.log2(Math.max(count, 4) * 2));
    this.#mask = slots - 1;
    this.#left = new Int32Array(slots).fill(-1);
    this.#right = new Int32Array(slots);
    this.#rank = new Int32Array(slots);
    this.#merged = new Int32Array(slots);
  }

  /** A pair set twice keeps the later rank, as the makers' library does. */
  set(left: number, right: number, { rank, merged }: { rank: number; merged: number }): void {
    let slot = this.#home(left, right);
    while (this.#left[slot] !== -1 && (this.#left[slot] !== left || this.#right[slot] !== right)) {
      slot = (slot + 1) & this.#mask;
    }
    this.#left[slot] = left;
    this.#right[slot] = right;
    this.#rank[slot] = rank;
    this.#merged[slot] = merged;
  }

  /** A handle for `rank` and `merged`, or -1 where the pair does not merge. */
  find(left: number, right: number): number {
    let slot = this.#home(left, right);
    while (this.#left[slot] !== -1) {
      if (this.#left[slot] === left && this.#right[slot] === right) return slot;
      slot = (slot + 1) & this.#mask;
    }
    return -1;
  }

  rank(handle: number): number {
    return this.#rank[handle]!;
  }

  merged(handle: number): number {
    return this.#merged[handle]!;
  }

  #home(left: number, right: number): number {
    // Two odd multipliers and a fold of the high bits, which the mask would drop.
    const hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca77);
    return (hash ^ (hash >>> 15)) & this.#mask;
  }
}
