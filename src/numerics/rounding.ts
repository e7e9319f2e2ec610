// Rounding and the two floors that every group quantizer shares, and what happens to numbers that are none.
// All arithmetic here is float32, one rounding per step (`Math.fround`), so that native kernels can match it bit for
// bit; a division is a division, never a multiplication by the reciprocal.
//
// Awkward inputs, for every group quantizer of this room and every kernel that implements one:
// - A group of zeros, or of magnitudes below `smallestPeak`, gives codes of zero (plus the zero point) and zeros back.
// - Denormals are numbers like others: they count towards the peak and round to zero like any small value.
// - Finite input gives finite scales. Values within 15 % of the largest float32 may come back as infinity; none as NaN.
// - A NaN or an infinity makes its whole group NaN: the scale is NaN and every code is 0, so the damage is seen in the
//   output and not hidden in a clamp. Detecting it is one integer maximum over the bits of |x|: the result is at
//   least 0x7f800000. Whoever takes numbers from outside (a checkpoint, calibration) calls `requireFinite` first.
import { AtomError } from '../errors.ts';

/** The least peak a scale is made from, as in Atom's published code: keeps every scale well above zero. */
export const smallestPeak = Math.fround(1e-5);

export const largestFloat = 3.4028234663852886e38; // (2 - 2^-23) * 2^127

// Adding and taking away 1.5 * 2^52 leaves a double without room for a fraction: the hardware rounds half to even.
const noFraction = 1.5 * 2 ** 52;

/** Nearest integer, halves to the even one. Infinities and NaN stay what they are. */
export function roundHalfEven(x: number): number {
  return Math.abs(x) < 2 ** 51 ? x + noFraction - noFraction : x;
}

export function clamp(x: number, low: number, high: number): number {
  return x < low ? low : Math.min(x, high);
}

/** Largest magnitude; NaN when any value is NaN or infinite. */
export function peakOf(values: Float32Array): number {
  let peak = 0;
  for (const value of values) {
    if (!Number.isFinite(value)) return Number.NaN;
    if (value > peak) peak = value;
    else if (-value > peak) peak = -value;
  }
  return peak;
}

/** Throws `numeric` naming the first value that is NaN or infinite. `what` says whose values these are. */
export function requireFinite(values: Float32Array, what: string): void {
  const index = values.findIndex((value) => !Number.isFinite(value));
  if (index >= 0) {
    throw new AtomError(
      'numeric',
      `${what}: element ${index} is ${values[index]}; quantization needs finite numbers, so check the checkpoint or the calibration text`,
    );
  }
}

/** Number of groups of `groupSize` in `length` values. Throws `bad-shape` when they do not fit. */
export function numGroups(length: number, groupSize: number): number {
  if (!Number.isInteger(groupSize) || groupSize < 1 || length % groupSize !== 0) {
    throw new AtomError(
      'bad-shape',
      `${length} values do not divide into groups of ${groupSize}; choose a group size that divides them`,
    );
  }
  return length / groupSize;
}
