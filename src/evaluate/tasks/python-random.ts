// Python's random.Random: the Mersenne Twister MT19937 (Matsumoto and Nishimura, 1998) seeded by an array, and the
// draws that lm-evaluation-harness and the GPTQ data loaders make of it, so that the same seed draws the same samples.

const size = 624;

export class PythonRandom {
  readonly #state = new Uint32Array(size);
  #index = size;

  /** random.Random(seed), for whole seeds from 0 to 2^32 - 1. */
  constructor(seed: number) {
    this.#seedByArray([seed >>> 0]);
  }

  /** getrandbits(bits), 1 to 32. */
  bits(bits: number): number {
    return this.#next() >>> (32 - bits);
  }

  /** A whole number below `limit`, which is at least 1: drawn again until it is. */
  below(limit: number): number {
    const width = 32 - Math.clz32(limit);
    let draw = this.bits(width);
    while (draw >= limit) draw = this.bits(width);
    return draw;
  }

  /** randint(low, high), both included. */
  integer(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** sample(range(count), k). Python picks from a pool that shrinks, or, where k is small, draws until it is new. */
  sample(count: number, k: number): number[] {
    const setSize = 21 + (k > 5 ? 4 ** Math.ceil(Math.log(k * 3) / Math.log(4)) : 0);
    return count <= setSize ? this.#sampleFromPool(count, k) : this.#sampleNew(count, k);
  }

  #sampleFromPool(count: number, k: number): number[] {
    const pool = Array.from({ length: count }, (_, index) => index);
    return Array.from({ length: k }, (_, taken) => {
      const place = this.below(count - taken);
      const drawn = pool[place]!;
      pool[place] = pool[count - taken - 1]!;
      return drawn;
    });
  }

  #sampleNew(count: number, k: number): number[] {
    const drawn = new Set<number>();
    while (drawn.size < k) drawn.add(this.below(count));
    return [...drawn];
  }

  /** init_by_array of the reference implementation. */
  #seedByArray(key: readonly number[]): void {
    const state = this.#state;
    state[0] = 19650218;
    for (let i = 1; i < size; i++) {
      state[i] = Math.imul(1812433253, state[i - 1]! ^ (state[i - 1]! >>> 30)) + i;
    }
    let i = 1;
    const wrap = () => {
      if (++i < size) return;
      state[0] = state[size - 1]!;
      i = 1;
    };
    const mixed = () => state[i - 1]! ^ (state[i - 1]! >>> 30);
    for (let step = 0, j = 0; step < Math.max(size, key.length); step++) {
      state[i] = (state[i]! ^ Math.imul(mixed(), 1664525)) + key[j]! + j;
      j = (j + 1) % key.length;
      wrap();
    }
    for (let step = 0; step < size - 1; step++) {
      state[i] = (state[i]! ^ Math.imul(mixed(), 1566083941)) - i;
      wrap();
    }
    state[0] = 0x80000000;
  }

  #next(): number {
    if (this.#index >= size) this.#refill();
    let word = this.#state[this.#index++]!;
    word ^= word >>> 11;
    word ^= (word << 7) & 0x9d2c5680;
    word ^= (word << 15) & 0xefc60000;
    word ^= word >>> 18;
    return word >>> 0;
  }

  #refill(): void {
    const state = this.#state;
    for (let i = 0; i < size; i++) {
      const joined = (state[i]! & 0x80000000) | (state[(i + 1) % size]! & 0x7fffffff);
      state[i] = state[(i + 397) % size]! ^ (joined >>> 1) ^ (joined & 1 ? 0x9908b0df : 0);
    }
    this.#index = 0;
  }
}
