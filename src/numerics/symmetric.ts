// Symmetric b-bit integers with one float32 scale per group of consecutive values: the format of Atom's weights,
// activations and outliers (DESIGN section 3; Atom, arXiv 2310.19102).
// Must not know what the values are: rows, channels and outliers are the business of weight.ts and activation.ts.
import { clamp, numGroups, peakOf, roundHalfEven, smallestPeak } from './rounding.ts';

export type IntegerBits = 2 | 3 | 4 | 8;

export interface SymmetricOptions {
  readonly bits: IntegerBits;
  /** Share of the peak that the largest code stands for: 1 clips nothing, and more than 1 leaves the largest unused. */
  readonly clip?: number;
  /**
   * Scales may be negative: the value of largest magnitude, whatever its sign, gets the code -2^(bits-1), the one that
   * plain symmetric integers leave unused. A step is 2^(bits-1) / (2^(bits-1) - 1) times finer, at no cost in bits.
   */
  readonly signed?: boolean;
}

export interface SymmetricGroups {
  readonly codes: Int8Array; // (groups * groupSize)
  readonly scales: Float32Array; // (groups)
}

export const largestCode = (bits: IntegerBits): number => 2 ** (bits - 1) - 1;

/** With which the largest code stands for `clip` times the peak; over 1 the peak gets the code top / clip, and stays finite. */
function scaleTo(peak: number, top: number, clip: number): number {
  const floored = Math.max(peak, smallestPeak);
  const ratio = Math.fround(clip);
  const covered = clip < 1 ? Math.fround(floored * ratio) : floored;
  const reach = clip > 1 ? Math.fround(top / ratio) : top;
  return Math.fround(covered / reach);
}

/** s = clip * max(peak, 1e-5) / (2^(bits-1) - 1). NaN when the peak is. */
export function symmetricScale(peak: number, { bits, clip = 1 }: SymmetricOptions): number {
  return scaleTo(peak, largestCode(bits), clip);
}

/** -+ clip * max(peak, 1e-5) / 2^(bits-1): negative when the peak is a positive value alone. NaN when any value is. */
export function signedScale(values: Float32Array, { bits, clip = 1 }: SymmetricOptions): number {
  const peak = peakOf(values);
  const magnitude = scaleTo(peak, 2 ** (bits - 1), clip);
  return values.includes(-peak) ? magnitude : -magnitude;
}

/** clamp(round(x / s), -2^(bits-1), 2^(bits-1) - 1); 0 when the scale is NaN. */
export function symmetricCode(x: number, scale: number, bits: IntegerBits): number {
  if (Number.isNaN(scale)) return 0;
  const top = largestCode(bits);
  return clamp(roundHalfEven(Math.fround(x / scale)), -top - 1, top);
}

/** Quantizes consecutive groups, each with a scale of its own. Throws `bad-shape` when groups do not fit. */
export function quantizeSymmetric(
  values: Float32Array, // (groups * groupSize)
  { groupSize, ...options }: SymmetricOptions & { readonly groupSize: number },
): SymmetricGroups {
  const groups = numGroups(values.length, groupSize);
  const codes = new Int8Array(values.length);
  const scales = new Float32Array(groups);
  for (let group = 0; group < groups; group++) {
    const start = group * groupSize;
    const own = values.subarray(start, start + groupSize);
    const scale = options.signed ? signedScale(own, options) : symmetricScale(peakOf(own), options);
    scales[group] = scale;
    for (let i = start; i < start + groupSize; i++) {
      codes[i] = symmetricCode(values[i]!, scale, options.bits);
    }
  }
  return { codes, scales };
}

/** code * scale, rounded once. */
export function dequantizeSymmetric({ codes, scales }: SymmetricGroups): Float32Array {
  const groupSize = codes.length / scales.length;
  return Float32Array.from(codes, (code, i) => code * scales[Math.floor(i / groupSize)]!);
}
