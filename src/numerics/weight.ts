// A linear's weight (out, in), its columns already reordered: normal columns as integers, one scale per output channel
// (or per `channelGroup` adjacent ones) and group of columns; the last columns (the outliers) INT8, one scale per
// output channel. This is round-to-nearest; gptq.ts fills the same codes better.
import { AtomError } from '../errors.ts';
import { numGroups, peakOf } from './rounding.ts';
import { type IntegerBits, symmetricCode, symmetricScale } from './symmetric.ts';

export interface WeightScheme {
  readonly bits: IntegerBits;
  /** 0: all normal columns are one group. */
  readonly groupSize: number;
  readonly clip: number;
  /** Adjacent output channels that share a scale; 2 in the published code. */
  readonly channelGroup: number;
  readonly outlierChannels: number;
}

export interface WeightCodes {
  readonly outFeatures: number;
  readonly inFeatures: number;
  readonly channelGroup: number;
  readonly groupSize: number; // never 0
  readonly codes: Int8Array; // (out, in - outliers)
  readonly scales: Float32Array; // (out / channelGroup, groups)
  readonly outlierCodes: Int8Array; // (out, outliers)
  readonly outlierScales: Float32Array; // (out), empty without outliers
}

/** Codes of zero for a weight of this shape. Throws `bad-shape` when groups or channel groups do not fit. */
export function emptyWeightCodes(
  weight: Float32Array,
  outFeatures: number,
  scheme: WeightScheme,
): WeightCodes {
  const { groupSize, channelGroup, outlierChannels } = scheme;
  const inFeatures = weight.length / outFeatures;
  const numNormal = inFeatures - outlierChannels;
  if (outFeatures % channelGroup !== 0) {
    throw new AtomError(
      'bad-shape',
      `${outFeatures} output channels do not divide into groups of ${channelGroup}`,
    );
  }
  const groups = numGroups(numNormal, groupSize || numNormal);
  return {
    outFeatures,
    inFeatures,
    channelGroup,
    groupSize: groupSize || numNormal,
    codes: new Int8Array(outFeatures * numNormal),
    scales: new Float32Array((outFeatures / channelGroup) * groups),
    outlierCodes: new Int8Array(outFeatures * outlierChannels),
    outlierScales: new Float32Array(outlierChannels > 0 ? outFeatures : 0),
  };
}

/** Round to nearest. Throws `bad-shape`. */
export function quantizeWeight(weight: Float32Array, outFeatures: number, scheme: WeightScheme): WeightCodes {
  const result = emptyWeightCodes(weight, outFeatures, scheme);
  const { bits, channelGroup, outlierChannels } = scheme;
  const numNormal = result.inFeatures - outlierChannels;
  const groupSize = scheme.groupSize || numNormal;
  const groups = numNormal / groupSize;
  const rowOf = (row: number) => weight.subarray(row * result.inFeatures, (row + 1) * result.inFeatures);

  for (let first = 0; first < outFeatures; first += channelGroup) {
    const rows = Array.from({ length: channelGroup }, (_, i) => first + i);
    for (let group = 0; group < groups; group++) {
      const start = group * groupSize;
      const peaks = rows.map((row) => peakOf(rowOf(row).subarray(start, start + groupSize)));
      const scale = symmetricScale(Math.max(...peaks), scheme);
      result.scales[(first / channelGroup) * groups + group] = scale;
      for (const row of rows) {
        for (let column = start; column < start + groupSize; column++) {
          result.codes[row * numNormal + column] = symmetricCode(rowOf(row)[column]!, scale, bits);
        }
      }
    }
  }
  quantizeOutlierColumns(weight, result);
  return result;
}

/** Fills the INT8 part of `result` from the last columns of weight (out, in). */
export function quantizeOutlierColumns(weight: Float32Array, result: WeightCodes): void {
  const { outFeatures, inFeatures, outlierCodes, outlierScales } = result;
  const outliers = outlierCodes.length / outFeatures;
  if (outliers === 0) return;
  for (let row = 0; row < outFeatures; row++) {
    const values = weight.subarray((row + 1) * inFeatures - outliers, (row + 1) * inFeatures);
    const scale = symmetricScale(peakOf(values), { bits: 8 });
    outlierScales[row] = scale;
    for (const [i, value] of values.entries())
      outlierCodes[row * outliers + i] = symmetricCode(value, scale, 8);
  }
}

/** (out, in): the weight the codes stand for. */
export function dequantizeWeight(weight: WeightCodes): Float32Array {
  const { outFeatures, inFeatures, codes, scales, outlierCodes, outlierScales } = weight;
  const { channelGroup, groupSize } = weight;
  const numNormal = codes.length / outFeatures;
  const outliers = inFeatures - numNormal;
  const values = new Float32Array(outFeatures * inFeatures);
  const groups = numNormal / groupSize;
  for (let row = 0; row < outFeatures; row++) {
    const firstScale = Math.floor(row / channelGroup) * groups;
    for (let column = 0; column < numNormal; column++) {
      const scale = scales[firstScale + Math.floor(column / groupSize)]!;
      values[row * inFeatures + column] = codes[row * numNormal + column]! * scale;
    }
    for (let i = 0; i < outliers; i++) {
      values[row * inFeatures + numNormal + i] = outlierCodes[row * outliers + i]! * outlierScales[row]!;
    }
  }
  return values;
}
