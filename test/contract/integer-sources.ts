// Integer weights for contract suites: what a checkpoint holds, and what it stands for.
import type { LinearSource } from '../../src/backend/formats.ts';
import type { Tensor } from '../../src/backend/tensor.ts';
import { encodeFp16, roundToFp16 } from '../../src/numerics/half-floats.ts';
import { decodeWeight } from '../../src/numerics/weight-codes.ts';
import { cpuBackends, gaussians, tensorOf } from './backends.ts';

export interface IntegerLayout {
  readonly groups: number;
  readonly groupSize: number;
  readonly outliers: number;
  readonly weightBits: 4 | 8;
  readonly halfScales: boolean;
  readonly channelGroup: 1 | 2;
}

/** A weight of random codes, as a checkpoint holds it, and the values it stands for. */
export function randomSource(layout: IntegerLayout, outputs: number, seed: number) {
  const { groups, groupSize, outliers, weightBits, halfScales, channelGroup } = layout;
  const normal = groups * groupSize;
  const inFeatures = normal + outliers;
  const noise = gaussians((outputs * normal * weightBits) / 8 + outputs * outliers, seed);
  const bytes = Uint8Array.from(noise, (x) => Math.floor((x * 97 + 1e6) % 256));
  const codes = bytes.subarray(0, (outputs * normal * weightBits) / 8);
  const outlierCodes = bytes.subarray(codes.length);
  const round = (x: number) => (halfScales ? roundToFp16(x) : Math.fround(x));
  const scales = gaussians((outputs / channelGroup) * groups, seed + 1).map(round);
  const outlierScales = gaussians(outputs, seed + 2).map(round);
  const values = new Float32Array(outputs * inFeatures);
  const rows = { rows: outputs, pitch: inFeatures };
  const format = weightBits === 4 ? 'int4' : 'int8';
  decodeWeight(codes, values, { ...rows, format, columns: normal, groupSize, channelGroup, scales });
  if (outliers > 0) {
    const one = { ...rows, format: 'int8', first: normal, columns: outliers } as const;
    decodeWeight(outlierCodes, values, {
      ...one,
      groupSize: outliers,
      channelGroup: 1,
      scales: outlierScales,
    });
  }
  const scaleTensor = (numbers: Float32Array, dims: readonly number[]): Tensor => {
    if (!halfScales) return tensorOf('f32', dims, numbers);
    const tensor = cpuBackends[0]!.backend.allocate('f16', dims);
    tensor.u16().set(Uint16Array.from(numbers, encodeFp16));
    return tensor;
  };
  const source: LinearSource = {
    kind: 'int',
    bits: weightBits,
    groupSize,
    channelGroup,
    weight: tensorOf(weightBits === 4 ? 'u8' : 'i8', [outputs, (normal * weightBits) / 8], codes),
    scale: scaleTensor(scales, [outputs / channelGroup, groups]),
    ...(outliers > 0 && {
      outlierWeight: tensorOf('i8', [outputs, outliers], outlierCodes),
      outlierScale: scaleTensor(outlierScales, [outputs]),
    }),
  };
  return { source, values };
}
