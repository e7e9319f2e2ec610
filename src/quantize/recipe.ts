// A recipe: every knob of quantization in one plain object, written into the checkpoint it made.
// Section 3 and 4 of the design define what each means; presets.ts names the useful combinations.
import type { ElementFormat } from '../backend/formats.ts';
import { AtomError } from '../errors.ts';

export type Method = 'rtn' | 'gptq';

export interface WeightRecipe {
  readonly format: ElementFormat;
  /** Columns that share a scale; 0 for one scale per output channel. */
  readonly groupSize: number;
  /** Adjacent output channels that share a scale. */
  readonly channelGroup: 1 | 2;
  /** Share of the peak that the largest code stands for; 'search' tries ratios down to 0.6 per group. */
  readonly clip: number | 'search';
  /** Integers span twice the peak in 2^bits - 1 steps, as Atom's published GPTQ has it. */
  readonly publishedRange: boolean;
}

export interface ActivationRecipe {
  readonly format: ElementFormat;
  readonly groupSize: number;
  readonly symmetric: boolean;
  readonly clip: number | 'search';
}

export interface OutlierRecipe {
  /** Channels kept in higher precision, in weights and activations alike; 0 for none. */
  readonly channels: number;
  readonly format: ElementFormat;
}

export interface KvRecipe {
  readonly keyBits: 16 | 8 | 4 | 3 | 2;
  readonly valueBits: 16 | 8 | 4 | 3 | 2;
  readonly clip: number;
  /** Keys are quantized before the rotary embedding, as published; the packed cache quantizes them after it. */
  readonly keyBeforeRope: boolean;
}

export interface GptqRecipe {
  /** Share of the Hessian's mean diagonal that is added to the diagonal. */
  readonly damping: number;
  readonly blockSize: number;
  /** Group scales see the weights as they were before their block of columns, as published. */
  readonly staleScales: boolean;
}

export interface Recipe {
  readonly name: string;
  readonly method: Method;
  readonly weight: WeightRecipe;
  readonly activation: ActivationRecipe;
  readonly outliers: OutlierRecipe;
  readonly kv: KvRecipe;
  readonly gptq: GptqRecipe;
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

/** Throws `bad-option` when the recipe does not fit linears with these numbers of input channels. */
export function requireFits(recipe: Recipe, inputChannels: readonly number[]): void {
  const { outliers, weight, activation } = recipe;
  for (const channels of inputChannels) {
    const normal = channels - outliers.channels;
    if (normal <= 0) {
      throw new AtomError(
        'bad-option',
        `${outliers.channels} outlier channels leave nothing of a linear with ${channels} inputs; give fewer with --outliers`,
      );
    }
    for (const [what, { format, groupSize }] of Object.entries({ weight, activation })) {
      const size = format === 'mxfp4' ? 32 : format === 'nvfp4' ? 16 : groupSize;
      if (format !== 'none' && format !== 'fp16' && size > 0 && normal % size !== 0) {
        throw new AtomError(
          'bad-option',
          `the ${normal} normal channels of a linear with ${channels} inputs do not divide into ${what} groups of ${size}; choose --group-size and --outliers so that they do`,
        );
      }
    }
  }
}
