// The number formats a backend computes with: of a linear's input, of its weights, of cached keys and values.
// Plain data, written into checkpoints and messages; section 3 of the design defines the arithmetic.
import type { Tensor } from './tensor.ts';

/**
 * A linear's input.
 * - f32, bf16: as they are.
 * - int: per token; the first channels - outlierChannels in groups of groupSize with `bits`, the last outlierChannels
 *   as one unclipped symmetric INT8 group. groupSize 0 means one group. src/numerics/symmetric.ts is the arithmetic of both
 *   ranges. With `hadamard` each group of normal channels goes through a Hadamard transform first.
 * - simulated: f32 values that went through any of the quantizers of `FakeQuant`, for study.
 */
export type ActivationFormat =
  | { readonly kind: 'f32' }
  | { readonly kind: 'bf16' }
  | {
      readonly kind: 'int';
      readonly bits: 2 | 3 | 4 | 8;
      readonly groupSize: number;
      readonly outlierChannels: number;
      readonly range: 'symmetric' | 'signed';
      readonly clip: number;
      readonly hadamard?: boolean;
    }
  | { readonly kind: 'simulated'; readonly quantizer: FakeQuant };

/** Element formats of simulated quantization, in the order of ElementFormat in native/cpu/element_format.h. */
export const elementFormats = [
  'none',
  'fp16',
  'int2',
  'int3',
  'int4',
  'int8',
  'fp4',
  'mxfp4',
  'nvfp4',
  'e4m3',
  'e5m2',
] as const;

export type ElementFormat = (typeof elementFormats)[number];

/** In the order of IntegerRange in native/cpu/element_format.h. src/numerics/symmetric.ts says what they are. */
export const integerRanges = ['symmetric', 'signed', 'asymmetric'] as const;

export type IntegerRange = (typeof integerRanges)[number];

/** Quantize and dequantize one row: normal channels in groups, the last outlierChannels as one group. */
export interface FakeQuant {
  readonly format: ElementFormat;
  readonly groupSize: number; // 0: one group
  readonly range: IntegerRange; // of integers
  readonly clip: number;
  readonly outlierChannels: number;
  readonly outlierFormat: ElementFormat;
  readonly outlierClip: number;
  /** Each group of normal channels goes through a Hadamard transform first, and stays transformed. */
  readonly hadamard?: boolean;
}

/**
 * A linear's weight (out, in).
 * - f32, bf16: as they are.
 * - int: columns in reordered channel order; per output channel and group of groupSize one scale, the last
 *   outlierChannels columns INT8 with one scale per output channel. The input must have the same groups and outliers.
 * - weightOnly: per output channel and group one scale, as for int; codes are multiplied with an input in bf16.
 */
export type WeightFormat =
  | { readonly kind: 'f32' }
  | { readonly kind: 'bf16' }
  | {
      readonly kind: 'int';
      readonly bits: 4 | 8;
      readonly groupSize: number;
      readonly outlierChannels: number;
    }
  | { readonly kind: 'weightOnly'; readonly bits: 4 | 8; readonly groupSize: number };

/** Integer codes and what they are multiplied by. */
export interface GroupedCodes {
  readonly bits: 4 | 8;
  /** Never 0. */
  readonly groupSize: number;
  /** Columns in groups: bits 4 or fewer (out, columns / 2) u8, low nibble first, two's complement; 8 (out, columns) i8. */
  readonly weight: Tensor;
  /** (out / channelGroup, groups) f32 or f16; rows are shared by channelGroup adjacent outputs. */
  readonly scale: Tensor;
  readonly channelGroup: number;
}

/** What `loadLinear` takes: layout-neutral, as in a checkpoint (section 5 of the design). */
export type LinearSource =
  | { readonly kind: 'dense'; readonly weight: Tensor; readonly compute: 'f32' | 'bf16' } // (out, in) f32, f16 or bf16
  /** A plain weight (out, in) that becomes 8-bit integers in groups of groupSize, rounded to nearest, when it is loaded. */
  | { readonly kind: 'rounded'; readonly weight: Tensor; readonly groupSize: number }
  | (GroupedCodes & {
      readonly kind: 'int';
      /** (out, outlierChannels) i8 and its scale (out) f32 or f16, of the columns behind the groups; absent without any. */
      readonly outlierWeight?: Tensor;
      readonly outlierScale?: Tensor;
    })
  /** For inputs in bf16; groupSize is a multiple of 8. */
  | (GroupedCodes & { readonly kind: 'weightOnly' });

/**
 * Cached keys and values of one layer.
 * - bits 32, 16 (bf16): as they are; 8 and 4: asymmetric per token and head,
 *   s = (max - min) / (2^bits - 1), z = clamp(round(-min / s)), q = clamp(round(x / s) + z).
 * - `keyBeforeRope`: keys are quantized before the rotation (the published order) and rotated as f32 afterwards; only
 *   simulated caches (`simulated: true`, values stored as f32 after quantize and dequantize) offer it.
 */
export interface KvFormat {
  readonly keyBits: 32 | 16 | 8 | 4 | 3 | 2;
  readonly valueBits: 32 | 16 | 8 | 4 | 3 | 2;
  readonly simulated?: boolean;
  readonly keyBeforeRope?: boolean;
  /**
   * Queries and keys of each head go through a Hadamard transform after the rotation, in blocks of the largest power of
   * two that divides headDim; their products stay the same.
   */
  readonly keyHadamard?: boolean;
  readonly clip?: number;
}

/** How GPTQ finds a group's scale when it reaches the group's first column. */
export interface GroupScaleRule {
  readonly format: ElementFormat;
  /** Integers span 2 peak in 2^bits - 1 steps, as Atom's published GPTQ has it; else peak in 2^(bits-1) - 1. */
  readonly publishedRange: boolean;
  /** Scales see the weights as they were before the block of columns, as published; else as they are. */
  readonly stale: boolean;
  readonly roundToFp16: boolean;
  /**
   * A share of the peak, or the best of `steps` + 1 shares from `low` to 1 by squared error. `eitherSign` tries scales of
   * both signs, whose codes span the peak in 2^(bits-1) steps.
   */
  readonly clip: number | { readonly steps: number; readonly low: number; readonly eitherSign?: boolean };
  /** nvfp4: the scale over the whole weight. */
  readonly tensorScale?: number;
}

/** Weights that become zero: a share of every block of columns, or `zeros` of every `of` columns of a row. */
export type PruneRule =
  | { readonly kind: 'share'; readonly share: number }
  | { readonly kind: 'pattern'; readonly zeros: number; readonly of: number };
