// Reordering of channels: the ones with the largest scores go last, where they are kept in higher precision.
// An index is read as a gather: position c of the reordered row holds channel index[c] of the original one.
import { AtomError } from '../errors.ts';

/** Channels by ascending score; equal scores keep their order. Throws `numeric` when a score is NaN. */
export function reorderIndex(scores: ArrayLike<number>): Int32Array {
  const values = Float64Array.from(scores);
  const bad = values.findIndex(Number.isNaN);
  if (bad >= 0) {
    throw new AtomError(
      'numeric',
      `the score of channel ${bad} is NaN; check the calibration text and the checkpoint`,
    );
  }
  return Int32Array.from(values.keys()).sort((a, b) => values[a]! - values[b]! || a - b);
}

/** Throws `bad-quantization-config` unless index holds each of 0 .. channels - 1 once. `what` names it. */
export function requirePermutation(index: Int32Array, channels: number, what: string): void {
  const fail = (reason: string): never => {
    throw new AtomError(
      'bad-quantization-config',
      `${what} is not a permutation of ${channels} channels: ${reason}`,
    );
  };
  if (index.length !== channels) fail(`it has ${index.length} entries`);
  const seen = new Uint8Array(channels);
  for (const [position, channel] of index.entries()) {
    if (channel < 0 || channel >= channels) fail(`entry ${position} is ${channel}`);
    if (seen[channel]) fail(`channel ${channel} appears twice`);
    seen[channel] = 1;
  }
}

/** The permutation that undoes this one. */
export function invertPermutation(index: Int32Array): Int32Array {
  const inverse = new Int32Array(index.length);
  for (const [position, channel] of index.entries()) inverse[channel] = position;
  return inverse;
}

/** (rows, channels) with the channels of every row gathered by index. */
export function reorderColumns(values: Float32Array, index: Int32Array): Float32Array {
  const channels = index.length;
  return Float32Array.from(values, (_, i) => {
    const column = i % channels;
    return values[i - column + index[column]!]!;
  });
}
