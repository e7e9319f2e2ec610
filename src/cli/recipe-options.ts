// The knobs of `atom quantize`: a preset, and what an option changes in it.
import { type Command, Option } from 'commander';
import type { ElementFormat, IntegerRange } from '../backend/formats.ts';
import type { ModelConfig } from '../checkpoint/model-config.ts';
import { AtomError } from '../errors.ts';
import { presetFor } from '../quantize/presets.ts';
import {
  inFormat,
  type KvRecipe,
  type OutlierRecipe,
  type Recipe,
  type Rounding,
} from '../quantize/recipe.ts';
import { numberBetween, wholeNumber } from './option-types.ts';

export interface RecipeOptions {
  readonly preset: string;
  readonly weights?: ElementFormat;
  readonly activations?: ElementFormat;
  readonly groupSize?: number;
  readonly channelGroup?: string;
  readonly outliers?: number;
  readonly outlierFormat?: ElementFormat;
  readonly sort?: OutlierRecipe['sort'];
  readonly range?: IntegerRange;
  readonly weightClip?: number | 'search';
  readonly activationClip?: number;
  readonly kvClip?: number;
  readonly kvBits?: string;
  readonly rounding?: Rounding;
  readonly damping?: number;
  /** Commander's negated options: false when `--no-...` was given, true otherwise. */
  readonly rotate: boolean;
  readonly foldScales: boolean;
  readonly hadamard: boolean;
  readonly sequential: boolean;
}

const formats = ['none', 'int2', 'int3', 'int4', 'int8', 'fp4', 'mxfp4', 'nvfp4'];
const ratio = numberBetween(0.01, 1);

export function addRecipeOptions(command: Command): Command {
  const choice = (flags: string, about: string, choices: readonly string[]) =>
    command.addOption(new Option(flags, about).choices([...choices]));
  command.option('--preset <name>', 'the recipe to start from', 'atom');
  choice('--weights <format>', 'format of the weights', formats);
  choice('--activations <format>', 'format of the activations', formats);
  command
    .option(
      '--group-size <n>',
      'channels that share a scale (default: 128, 32 for small models)',
      wholeNumber,
    )
    .option(
      '--outliers <n>',
      'channels kept in higher precision (default: 128, 32 for small models)',
      wholeNumber,
    );
  choice('--channel-group <n>', 'adjacent output channels that share a scale', ['1', '2']);
  choice('--outlier-format <format>', 'format of the outlier channels', ['int8', 'fp16', 'e4m3', 'e5m2']);
  choice('--sort <metric>', 'what outlier channels are chosen by', ['hessian', 'magnitude']);
  choice('--range <kind>', 'what integer activations span', ['symmetric', 'signed', 'asymmetric']);
  command
    .option('--weight-clip <ratio>', "share of the peak that weights cover, or 'search'", ratioOrSearch)
    .option(
      '--activation-clip <ratio>',
      'share of the peak that activations cover; over 1, the largest codes stay unused',
      numberBetween(0.01, 2),
    )
    .option('--kv-clip <ratio>', 'share of the range that keys and values cover', ratio);
  choice('--kv-bits <n>', 'bits of keys and values in the cache', ['2', '3', '4', '8', '16']);
  choice('--rounding <method>', 'how weights are rounded', ['rtn', 'gptq', 'sparsegpt']);
  return command
    .option(
      '--damping <share>',
      "GPTQ: share of the Hessian's mean diagonal added to it",
      numberBetween(0, 10),
    )
    .option('--no-rotate', 'leave the residual stream as it is')
    .option('--no-fold-scales', 'leave the scales of channels as they are')
    .option('--no-hadamard', 'no Hadamard transforms of keys and of the input of down')
    .option('--no-sequential', 'calibrate each layer with its own linears unquantized, as published');
}

/** Throws `bad-option`. */
export function recipeFrom(options: RecipeOptions, config: ModelConfig): Recipe {
  const base = presetFor(options.preset, config, options);
  const kvBits = options.kvBits === undefined ? undefined : (Number(options.kvBits) as KvRecipe['keyBits']);
  const { transforms } = base;
  return {
    ...base,
    rounding: options.rounding ?? base.rounding,
    weight: {
      ...base.weight,
      ...(options.weights && { format: options.weights }),
      ...(options.channelGroup && { channelGroup: Number(options.channelGroup) as 1 | 2 }),
      ...(options.weightClip && { clip: options.weightClip }),
    },
    activation: {
      ...inFormat(base.activation, options.activations ?? base.activation.format),
      ...(options.range && { range: options.range }),
      ...(options.activationClip && { clip: options.activationClip }),
    },
    outliers: {
      channels: options.outliers ?? base.outliers.channels,
      format: options.outlierFormat ?? base.outliers.format,
      sort: options.sort ?? base.outliers.sort,
    },
    kv: {
      ...base.kv,
      ...(kvBits && { keyBits: kvBits, valueBits: kvBits }),
      ...(options.kvClip && { clip: options.kvClip }),
      keyHadamard: base.kv.keyHadamard && options.hadamard && kvBits !== 16,
    },
    gptq: {
      ...base.gptq,
      ...(options.damping !== undefined && { damping: options.damping }),
      sequential: base.gptq.sequential && options.sequential,
    },
    transforms: {
      ...transforms,
      rotateResidual: transforms.rotateResidual && options.rotate,
      foldScales: transforms.foldScales && options.foldScales,
      downHadamard: transforms.downHadamard && options.hadamard,
    },
  };
}

function ratioOrSearch(text: string): number | 'search' {
  return text === 'search' ? text : ratio(text);
}

/** Throws `bad-option` for options that only make sense together. */
export function requireSensible(recipe: Recipe): void {
  if (recipe.rounding === 'sparsegpt' && !recipe.prune) {
    throw new AtomError(
      'bad-option',
      '--rounding sparsegpt needs a preset that prunes, such as sparsegpt-50',
    );
  }
}
