// Asymmetric b-bit integers with a scale and an integer zero point per group: the format of the KV cache (one group
// is one token's head) and, as an option, of activations (DESIGN section 3).
//
// One deliberate difference to the published code: the range always takes in zero. Without that the zero point of a
// group that lies wholly on one side of zero is clamped and its values are lost ([10, 11] comes back as 1); where a
// group spans zero, which is where the published code works, both give the same bits.
import { clamp, largestFloat, numGroups, roundHalfEven, smallestPeak } from './rounding.ts';
import type { IntegerBits } from './symmetric.ts';

export interface AsymmetricOptions {
  readonly bits: IntegerBits;
  /** Share of the range [min, max] that the codes cover; 1 clips nothing. */
  readonly clip?: number;
}

export interface AsymmetricGroups {
  readonly codes: Uint8Array; // (groups * groupSize), 0 .. 2^bits - 1
  readonly scales: Float32Array; // (groups)
  readonly zeros: Uint8Array; // (groups), the code that stands for 0
}

/** s = max(clip * (max - min), 1e-5) / (2^bits - 1), z = clamp(round(-clip * min / s)). NaN, 0 unless all is finite. */
export function asymmetricParameters(
  values: Float32Array,
  { bits, clip = 1 }: AsymmetricOptions,
): { scale: number; zero: number } {
  let low = 0;
  let high = 0;
  for (const value of values) {
    if (!Number.isFinite(value)) return { scale: Number.NaN, zero: 0 };
    if (value < low) low = value;
    else if (value > high) high = value;
  }
  if (clip < 1) {
    low = Math.fround(low * Math.fround(clip));
    high = Math.fround(high * Math.fround(clip));
  }
  const top = 2 ** bits - 1;
  const range = clamp(Math.fround(high - low), smallestPeak, largestFloat);
  const scale = Math.fround(range / top);
  return { scale, zero: clamp(roundHalfEven(Math.fround(-low / scale)), 0, top) };
}

/** Quantizes consecutive groups: q = clamp(round(x / s) + z, 0, 2^bits - 1). Throws `bad-shape`. */
export function quantizeAsymmetric(
  values: Float32Array, // (groups * groupSize)
  { groupSize, ...options }: AsymmetricOptions & { readonly groupSize: number },
): AsymmetricGroups {
  const groups = numGroups(values.length, groupSize);
  const codes = new Uint8Array(values.length);
  const scales = new Float32Array(groups);
  const zeros = new Uint8Array(groups);
  const top = 2 ** options.bits - 1;
  for (let group = 0; group < groups; group++) {
    const start = group * groupSize;
    const { scale, zero } = asymmetricParameters(values.subarray(start, start + groupSize), options);
    scales[group] = scale;
    zeros[group] = zero;
    if (Number.isNaN(scale)) continue;
    for (let i = start; i < start + groupSize; i++) {
      codes[i] = clamp(roundHalfEven(Math.fround(values[i]! / scale)) + zero, 0, top);
    }
  }
  return { codes, scales, zeros };
}

/** (code - zero) * scale, rounded once. */
export function dequantizeAsymmetric({ codes, scales, zeros }: AsymmetricGroups): Float32Array {
  const groupSize = codes.length / scales.length;
  return Float32Array.from(codes, (code, i) => {
    const group = Math.floor(i / groupSize);
    return (code - zeros[group]!) * scales[group]!;
  });
}
