// A recipe: every knob of quantization in one plain object, written into the checkpoint it made.
// Sections 3 and 4 of the design define what each means; presets.ts names the useful combinations.
import type { ElementFormat, IntegerRange } from '../backend/formats.ts';
import type { ModelConfig } from '../checkpoint/model-config.ts';
import { AtomError } from '../errors.ts';

/**
 * How weights are rounded: to nearest, by GPTQ, or pruned by SparseGPT (and then rounded as it goes). AWQ and SmoothQuant
 * are rounding to nearest after scales have been moved between weights and activations (`migration`).
 */
export type Rounding = 'rtn' | 'gptq' | 'sparsegpt';

export interface WeightRecipe {
  readonly format: ElementFormat;
  /** Columns that share a scale; 0 for one scale per output channel. */
  readonly groupSize: number;
  /** Adjacent output channels that share a scale. */
  readonly channelGroup: 1 | 2;
  /** Share of the peak that the largest code stands for; 'search' tries ratios per group, by calibration error. */
  readonly clip: number | 'search';
  /** The search also tries scales of either sign, whose codes reach one step further. */
  readonly eitherSign: boolean;
  /** GPTQ's integers span twice the peak in 2^bits - 1 steps, as Atom published it. */
  readonly publishedRange: boolean;
  /** What scales of integers and of plain FP4 are kept in. */
  readonly scale: 'f16' | 'f32';
}

export interface ActivationRecipe {
  readonly format: ElementFormat;
  readonly groupSize: number;
  readonly range: IntegerRange;
  /** Share of the peak that codes cover; more than 1 leaves the largest codes of integers unused. */
  readonly clip: number;
}

/** The same in another format; what is left unused is a matter of the format. */
export function inFormat(activation: ActivationRecipe, format: ElementFormat): ActivationRecipe {
  return format === activation.format
    ? activation
    : { ...activation, format, clip: Math.min(activation.clip, 1) };
}

export interface OutlierRecipe {
  /** Channels kept in higher precision, in weights and activations alike; 0 for none. */
  readonly channels: number;
  readonly format: ElementFormat;
  /** What channels are sorted by: sum of squares (the Hessian's diagonal) or mean magnitude. */
  readonly sort: 'hessian' | 'magnitude';
}

export interface KvRecipe {
  readonly keyBits: 16 | 8 | 4 | 3 | 2;
  readonly valueBits: 16 | 8 | 4 | 3 | 2;
  readonly clip: number;
  /** Keys are quantized before the rotary embedding, as published; the packed cache quantizes them after it. */
  readonly keyBeforeRope: boolean;
  /** Queries and keys go through a Hadamard transform per head first. */
  readonly keyHadamard: boolean;
}

export interface GptqRecipe {
  /** Share of the Hessian's mean diagonal that is added to the diagonal. */
  readonly damping: number;
  readonly blockSize: number;
  /** Group scales see the weights as they were before their block of columns, as published. */
  readonly staleScales: boolean;
  /** Each input is seen as the linears before it, quantized already, make it; else as the whole layer was, as published. */
  readonly sequential: boolean;
}

/** Changes that leave the model's function as it is and its numbers easier to quantize. */
export interface TransformRecipe {
  /** Norm gains go into the linears after them, and scales of channels move between neighbouring linears. */
  readonly foldScales: boolean;
  /** The residual stream turns to its principal axes, the strongest last: they become the outlier channels. */
  readonly rotateResidual: boolean;
  /** The input of `down` goes through a Hadamard transform per group. */
  readonly downHadamard: boolean;
  /** Scale migration of a baseline: activation-aware weight scales (Lin et al., 2023) or SmoothQuant (Xiao et al., 2022). */
  readonly migration: 'none' | 'awq' | 'smoothquant';
}

export interface PruneRecipe {
  readonly kind: 'share' | 'pattern';
  /** share: of all weights. */
  readonly share: number;
  /** pattern: `zeros` of every `of` columns. */
  readonly zeros: number;
  readonly of: number;
}

export interface Recipe {
  readonly name: string;
  /** One line for `--list`. */
  readonly description: string;
  readonly rounding: Rounding;
  readonly weight: WeightRecipe;
  readonly activation: ActivationRecipe;
  readonly outliers: OutlierRecipe;
  readonly kv: KvRecipe;
  readonly gptq: GptqRecipe;
  readonly transforms: TransformRecipe;
  readonly prune?: PruneRecipe;
}

/** Bits of one element, scales not counted. */
export function bitsOf(format: ElementFormat): number {
  switch (format) {
    case 'none':
    case 'fp16':
      return 16;
    case 'int8':
    case 'e4m3':
    case 'e5m2':
      return 8;
    case 'int4':
    case 'fp4':
    case 'mxfp4':
    case 'nvfp4':
      return 4;
    case 'int3':
      return 3;
    case 'int2':
      return 2;
    default:
      return format satisfies never;
  }
}

/** The group size a format asks for, or the one given; never 0. */
export function groupSizeOf(format: ElementFormat, groupSize: number, normal: number): number {
  return format === 'mxfp4' ? 32 : format === 'nvfp4' ? 16 : groupSize || normal;
}

/** Throws `bad-option` when the recipe does not fit linears with these numbers of input channels. */
export function requireFits(recipe: Recipe, inputChannels: readonly number[]): void {
  const { outliers, weight, activation, transforms } = recipe;
  for (const channels of inputChannels) {
    const normal = channels - outliers.channels;
    if (normal <= 0) {
      throw new AtomError(
        'bad-option',
        `${outliers.channels} outlier channels leave nothing of a linear with ${channels} inputs; give fewer with --outliers`,
      );
    }
    for (const [what, { format, groupSize }] of Object.entries({ weight, activation })) {
      const size = groupSizeOf(format, groupSize, normal);
      if (format !== 'none' && format !== 'fp16' && normal % size !== 0) {
        throw new AtomError(
          'bad-option',
          `the ${normal} normal channels of a linear with ${channels} inputs do not divide into ${what} groups of ${size}; choose --group-size and --outliers so that they do`,
        );
      }
    }
  }
  if (transforms.downHadamard && !Number.isInteger(Math.log2(activation.groupSize))) {
    throw new AtomError(
      'bad-option',
      `Hadamard transforms need groups of a power of two, not of ${activation.groupSize}; choose another --group-size`,
    );
  }
}

/** The same for the linears of a dense decoder. */
export function requireFitsModel(recipe: Recipe, config: ModelConfig): void {
  requireFits(recipe, [config.hiddenSize, config.numHeads * config.headDim, config.intermediateSize]);
}
