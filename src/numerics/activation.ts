// A linear's input, quantized per token as Atom does: the row is already reordered; its normal channels are integers
// in groups, its last channels (the outliers) one INT8 group, unclipped. Dynamic: every scale comes from the row.
import {
  dequantizeSymmetric,
  quantizeSymmetric,
  type SymmetricGroups,
  type SymmetricOptions,
} from './symmetric.ts';

export interface ActivationScheme extends SymmetricOptions {
  /** 0: all normal channels are one group. */
  readonly groupSize: number;
  readonly outlierChannels: number;
}

export interface ActivationRow {
  readonly normal: SymmetricGroups;
  /** One group; absent without outlier channels. */
  readonly outliers: SymmetricGroups | undefined;
}

/** Throws `bad-shape` when the normal channels do not divide into groups. */
export function quantizeActivation(
  row: Float32Array, // (channels), reordered
  { groupSize, outlierChannels, ...options }: ActivationScheme,
): ActivationRow {
  const numNormal = row.length - outlierChannels;
  const normal = row.subarray(0, numNormal);
  const outliers = row.subarray(numNormal);
  return {
    normal: quantizeSymmetric(normal, { ...options, groupSize: groupSize || numNormal }),
    outliers:
      outlierChannels > 0 ? quantizeSymmetric(outliers, { bits: 8, groupSize: outlierChannels }) : undefined,
  };
}

/** (channels): the values the codes stand for. */
export function dequantizeActivation({ normal, outliers }: ActivationRow): Float32Array {
  const values = new Float32Array(normal.codes.length + (outliers?.codes.length ?? 0));
  values.set(dequantizeSymmetric(normal));
  if (outliers) values.set(dequantizeSymmetric(outliers), normal.codes.length);
  return values;
}
