// The normalised Walsh-Hadamard transform of consecutive blocks: spreads one large value over its whole block, at the
// cost of additions alone. It is its own inverse, so weights that carry it too leave every product as it was
// (QuIP#, Tseng et al., 2024; QuaRot, Ashkboos et al., 2024).
import { AtomError } from '../errors.ts';

/** A copy of `values` with each block of `size` (a power of two) transformed. float32 at every step. Throws `bad-shape`. */
export function walshHadamard(values: Float32Array, size: number): Float32Array {
  if (!Number.isInteger(Math.log2(size)) || values.length % size !== 0) {
    throw new AtomError(
      'bad-shape',
      `${values.length} values do not divide into Hadamard blocks of ${size}, which must be a power of two`,
    );
  }
  const result = values.slice();
  for (let half = 1; half < size; half *= 2) {
    for (let i = 0; i < result.length; i++) {
      if ((i & half) !== 0) continue;
      const [a, b] = [result[i]!, result[i + half]!];
      result[i] = a + b;
      result[i + half] = a - b;
    }
  }
  const scale = Math.fround(1 / Math.sqrt(size));
  return result.map((value) => value * scale);
}
