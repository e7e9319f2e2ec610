// Four-bit floats (E2M1: 0, 0.5, 1, 1.5, 2, 3, 4, 6 and their negatives) with the three kinds of group scale:
// - fp4: any group size, float32 scale clip * peak / 6;
// - mxfp4: groups of 32, the scale a power of two, 2^(floor(log2 peak) - 2) (OCP Microscaling Formats 1.0, section 6.3);
// - nvfp4: groups of 16, the scale an E4M3 number times one float32 scale for the whole tensor (NVIDIA Blackwell).
// With a clip ratio below 1 the peak of the latter two is taken as so much smaller before its scale is found.
// Zeros, denormals, NaN and infinities behave as rounding.ts says.
import { numGroups, peakOf, smallestPeak } from './rounding.ts';
import {
  decodeE8m0,
  decodeSmallFloat,
  e2m1,
  e4m3,
  encodeE8m0,
  encodeSmallFloat,
  exponentOf,
  roundToSmallFloat,
} from './small-floats.ts';

export type Float4Scheme =
  | { readonly kind: 'fp4'; readonly groupSize: number; readonly clip?: number }
  | { readonly kind: 'mxfp4'; readonly clip?: number }
  | { readonly kind: 'nvfp4'; readonly tensorScale: number; readonly clip?: number };

export interface Float4Groups {
  readonly codes: Uint8Array; // (groups * groupSize), E2M1 patterns in the low four bits
  /** (groups): what a code is multiplied by, tensor scale included. */
  readonly scales: Float32Array;
}

const largest = e2m1.largest;

export function float4GroupSize(scheme: Float4Scheme): number {
  return scheme.kind === 'mxfp4' ? 32 : scheme.kind === 'nvfp4' ? 16 : scheme.groupSize;
}

/** The scale that lets both the group scales (to 448) and the elements (to 6) reach their ends; 1 for all zeros. */
export function nvfp4TensorScale(values: Float32Array): number {
  const peak = peakOf(values);
  const scale = Math.fround(peak / (largest * e4m3.largest));
  return scale === 0 ? 1 : scale;
}

/** Scale of a group with this peak. */
export function float4Scale(peak: number, scheme: Float4Scheme): number {
  if (Number.isNaN(peak)) return Number.NaN;
  const { clip = 1 } = scheme;
  const covered = clip < 1 ? Math.fround(peak * Math.fround(clip)) : peak;
  switch (scheme.kind) {
    case 'fp4': {
      const floored = Math.max(peak, smallestPeak);
      return Math.fround(Math.fround(floored * Math.fround(clip)) / largest);
    }
    case 'mxfp4':
      return decodeE8m0(encodeE8m0(exponentOf(covered) - exponentOf(largest)));
    case 'nvfp4': {
      const wanted = Math.fround(Math.fround(covered / largest) / scheme.tensorScale);
      return Math.fround(roundToSmallFloat(wanted, e4m3) * scheme.tensorScale);
    }
    default:
      return scheme satisfies never;
  }
}

/** Quantizes consecutive groups. Throws `bad-shape` when groups do not fit. */
export function quantizeFloat4(values: Float32Array, scheme: Float4Scheme): Float4Groups {
  const groupSize = float4GroupSize(scheme);
  const groups = numGroups(values.length, groupSize);
  const codes = new Uint8Array(values.length);
  const scales = new Float32Array(groups);
  for (let group = 0; group < groups; group++) {
    const start = group * groupSize;
    const scale = float4Scale(peakOf(values.subarray(start, start + groupSize)), scheme);
    scales[group] = scale;
    if (!(scale > 0)) continue; // NaN, or a group too small for its E4M3 scale: codes of zero
    for (let i = start; i < start + groupSize; i++) {
      codes[i] = encodeSmallFloat(Math.fround(values[i]! / scale), e2m1);
    }
  }
  return { codes, scales };
}

export function dequantizeFloat4({ codes, scales }: Float4Groups): Float32Array {
  const groupSize = codes.length / scales.length;
  return Float32Array.from(codes, (code, i) => {
    return decodeSmallFloat(code, e2m1) * scales[Math.floor(i / groupSize)]!;
  });
}
