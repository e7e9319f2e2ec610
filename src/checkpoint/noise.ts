// Random numbers for weights that nobody reads: drawn once and handed out again and again from other starting points, as
// fast as they can be written. It must not know what they are for.

/** Numbers in the stretch of noise: prime, so that no row length divides it and rows start at ever new places. */
const NOISE_SIZE = 1_048_573;

/** Endless random numbers; equal seeds and calls give equal numbers. */
export class Noise {
  readonly #random: () => number;
  readonly #unit: Uint16Array;
  #bytes: Uint8Array | undefined;
  readonly #scaled = new Map<number, Uint16Array>();

  constructor(seed: number) {
    this.#random = uniform(seed);
    this.#unit = normals(NOISE_SIZE, this.#random);
  }

  /** `size` BF16 normals of deviation 2^-shift, in pieces that must not be kept or changed. */
  draw(size: number, shift: number): Generator<Uint16Array> {
    return this.#repeat(this.#deviation(shift), size);
  }

  /** `size` bytes, all values alike, in pieces that must not be kept or changed. */
  bytes(size: number): Generator<Uint8Array> {
    this.#bytes ??= Uint8Array.from({ length: NOISE_SIZE }, () => this.#random() * 256);
    return this.#repeat(this.#bytes, size);
  }

  /** `size` numbers from half of `mean` to half above it. */
  around(mean: number, size: number): Float32Array {
    return Float32Array.from({ length: size }, () => mean * (0.5 + this.#random()));
  }

  /** The numbers below `size`, shuffled (Fisher and Yates). */
  permutation(size: number): Int32Array {
    const order = Int32Array.from({ length: size }, (_, i) => i);
    for (let i = size - 1; i > 0; i--) {
      const other = Math.floor(this.#random() * (i + 1));
      [order[i], order[other]] = [order[other]!, order[i]!];
    }
    return order;
  }

  *#repeat<T extends Uint8Array | Uint16Array>(noise: T, size: number): Generator<T> {
    let start = Math.floor(this.#random() * NOISE_SIZE);
    for (let left = size; left > 0; start = 0) {
      const piece = noise.subarray(start, start + left) as T;
      left -= piece.length;
      yield piece;
    }
  }

  /** The noise divided by 2^shift: the exponent is bits 7 to 14 of a BF16. */
  #deviation(shift: number): Uint16Array {
    let noise = this.#scaled.get(shift);
    if (noise === undefined) {
      noise = this.#unit.map((bits) => ((bits & 0x7f80) > shift << 7 ? bits - (shift << 7) : 0));
      this.#scaled.set(shift, noise);
    }
    return noise;
  }
}

/** Uniform numbers in [0, 1) from 32 bits of state: Weyl steps through a 32-bit finalizer. Good enough for weights. */
function uniform(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let bits = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    bits = Math.imul(bits ^ (bits >>> 15), 0x735a2d97);
    return ((bits ^ (bits >>> 15)) >>> 0) / 2 ** 32;
  };
}

/** Box and Muller, 1958; rounded to BF16. */
function normals(count: number, random: () => number): Uint16Array {
  const values = new Float32Array(count + 1);
  for (let i = 0; i < count; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - random()));
    const angle = 2 * Math.PI * random();
    values[i] = radius * Math.cos(angle);
    values[i + 1] = radius * Math.sin(angle);
  }
  return Uint16Array.from(new Uint32Array(values.buffer, 0, count), (bits) => (bits + 0x8000) >>> 16);
}
