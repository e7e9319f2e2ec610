// Quantize and dequantize a row in any element format of the study: what simulated models put in front of a linear.
// One table says what each format does; a new format is a new row.
import { dequantizeAsymmetric, quantizeAsymmetric } from './asymmetric.ts';
import { dequantizeFloat4, nvfp4TensorScale, quantizeFloat4 } from './float4.ts';
import { walshHadamard } from './hadamard.ts';
import { roundToFp16 } from './half-floats.ts';
import { e4m3, e5m2, roundToSmallFloat } from './small-floats.ts';
import { dequantizeSymmetric, type IntegerBits, quantizeSymmetric } from './symmetric.ts';

/** nvfp4 takes its tensor scale from the row, so that rows do not depend on each other. 'none' leaves values alone. */
export type ElementFormat =
  | 'none'
  | 'fp16'
  | 'int2'
  | 'int3'
  | 'int4'
  | 'int8'
  | 'fp4'
  | 'mxfp4'
  | 'nvfp4'
  | 'e4m3'
  | 'e5m2';

/** What the codes of integers span: see symmetric.ts for the first two, asymmetric.ts for the third. */
export type IntegerRange = 'symmetric' | 'signed' | 'asymmetric';

export interface FakeQuantOptions {
  readonly format: ElementFormat;
  /** 0: one group. mxfp4 and nvfp4 have their own (32, 16); fp16, e4m3 and e5m2 have none. */
  readonly groupSize: number;
  /** Integers only. */
  readonly range: IntegerRange;
  /** Integers and fp4 only. */
  readonly clip: number;
  readonly outlierChannels: number;
  readonly outlierFormat: ElementFormat;
  readonly outlierClip: number;
  /** Normal channels go through a Hadamard transform, each group on its own, and stay transformed: weights match. */
  readonly hadamard?: boolean;
}

interface GroupOptions {
  readonly groupSize: number;
  readonly range: IntegerRange;
  readonly clip: number;
}

type Quantizer = (values: Float32Array, options: GroupOptions) => Float32Array;

const integer =
  (bits: IntegerBits): Quantizer =>
  (values, { groupSize, range, clip }) =>
    range === 'asymmetric'
      ? dequantizeAsymmetric(quantizeAsymmetric(values, { bits, groupSize, clip }))
      : dequantizeSymmetric(quantizeSymmetric(values, { bits, groupSize, clip, signed: range === 'signed' }));

const quantizers: Record<ElementFormat, Quantizer> = {
  none: (values) => values.slice(),
  fp16: (values) => values.map(roundToFp16),
  int2: integer(2),
  int3: integer(3),
  int4: integer(4),
  int8: integer(8),
  fp4: (values, { groupSize, clip }) =>
    dequantizeFloat4(quantizeFloat4(values, { kind: 'fp4', groupSize, clip })),
  mxfp4: (values, { clip }) => dequantizeFloat4(quantizeFloat4(values, { kind: 'mxfp4', clip })),
  nvfp4: (values, { clip }) =>
    dequantizeFloat4(quantizeFloat4(values, { kind: 'nvfp4', tensorScale: nvfp4TensorScale(values), clip })),
  e4m3: (values) => values.map((x) => roundToSmallFloat(x, e4m3)),
  e5m2: (values) => values.map((x) => roundToSmallFloat(x, e5m2)),
};

/** Group sizes that formats fix. */
const ownGroups: Partial<Record<ElementFormat, number>> = { mxfp4: 32, nvfp4: 16 };

/** A copy of the row as the format would give it back. Throws `bad-shape` when groups do not fit. */
export function fakeQuantize(row: Float32Array, options: FakeQuantOptions): Float32Array {
  const { format, range, clip, hadamard, outlierChannels, outlierFormat, outlierClip } = options;
  const numNormal = row.length - outlierChannels;
  const result = new Float32Array(row.length);
  if (numNormal > 0) {
    const groupSize = options.groupSize || numNormal;
    const plain = row.subarray(0, numNormal);
    const normal = hadamard ? walshHadamard(plain, ownGroups[format] ?? groupSize) : plain;
    result.set(quantizers[format](normal, { groupSize, range, clip }));
  }
  if (outlierChannels > 0) {
    const outliers = row.subarray(numNormal);
    const group = { groupSize: outlierChannels, range: 'symmetric', clip: outlierClip } as const;
    result.set(quantizers[outlierFormat](outliers, group), numNormal);
  }
  return result;
}
