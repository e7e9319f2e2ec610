// The named recipes: our best, Atom as published, the number formats of accelerators, and the methods it is compared with.
// Sizes are those of large models; `resized` fits them to small ones.
import type { ModelConfig } from '../checkpoint/model-config.ts';
import { AtomError } from '../errors.ts';
import type { KvRecipe, Recipe } from './recipe.ts';

const plainTransforms = {
  foldScales: false,
  rotateResidual: false,
  downHadamard: false,
  migration: 'none',
} as const;

const paper: Recipe = {
  name: 'atom-paper',
  description: 'W4A4 KV4 as Atom published it: INT4 groups, INT8 outliers, clipping, GPTQ',
  rounding: 'gptq',
  weight: {
    format: 'int4',
    groupSize: 128,
    channelGroup: 2,
    clip: 0.85,
    eitherSign: false,
    publishedRange: true,
    scale: 'f32',
  },
  activation: { format: 'int4', groupSize: 128, range: 'symmetric', clip: 0.9 },
  outliers: { channels: 128, format: 'int8', sort: 'hessian' },
  kv: { keyBits: 4, valueBits: 4, clip: 1, keyBeforeRope: true, keyHadamard: false },
  gptq: { damping: 0.01, blockSize: 128, staleScales: true, sequential: false },
  transforms: plainTransforms,
};

/** Four bits of which every code is used. */
export const signed4 = { format: 'int4', range: 'signed', clip: 1 } as const;

const atom: Recipe = {
  ...paper,
  name: 'atom',
  description: 'W4A4 KV4, our best: rotated and rescaled, signed scales, searched clipping',
  weight: { ...paper.weight, clip: 'search', eitherSign: true, publishedRange: false, scale: 'f16' },
  activation: { ...paper.activation, ...signed4 },
  kv: { ...paper.kv, keyBeforeRope: false, keyHadamard: true },
  gptq: { ...paper.gptq, staleScales: false, sequential: true },
  transforms: { foldScales: true, rotateResidual: true, downHadamard: true, migration: 'none' },
};

/**
 * Eight bits of which the largest codes stay unused: a step is an eighth wider, and with codes up to 112 products of prompts
 * take three in ten fewer multiplications (native/cpu/linear_int_halved.h).
 */
export const halvable8 = { format: 'int8', range: 'symmetric', clip: 127 / 112 } as const;

const wide: KvRecipe = { ...atom.kv, keyBits: 16, valueBits: 16, keyHadamard: false };
const eight: KvRecipe = { ...atom.kv, keyBits: 8, valueBits: 8, keyHadamard: false };
const plain16 = { format: 'none', groupSize: 0, range: 'symmetric', clip: 1 } as const;
const noOutliers = { channels: 0, format: 'int8', sort: 'hessian' } as const;

const float4 = (name: 'fp4' | 'mxfp4' | 'nvfp4', description: string): Recipe => ({
  ...atom,
  name: `atom-${name}`,
  description,
  weight: { ...atom.weight, format: name, eitherSign: false },
  activation: { ...atom.activation, format: name, range: 'symmetric' },
});

/** Weights in 4 bits per group, all else in 16: what AWQ and GPTQ publish. */
const weightOnly: Recipe = {
  ...paper,
  weight: { ...paper.weight, channelGroup: 1, clip: 1, publishedRange: false, scale: 'f16' },
  activation: plain16,
  outliers: noOutliers,
  kv: wide,
  gptq: { ...paper.gptq, staleScales: false },
};

const sparse = (
  name: string,
  description: string,
  prune: Recipe['prune'] & object,
  bits4: boolean,
): Recipe => ({
  ...weightOnly,
  name,
  description,
  rounding: 'sparsegpt',
  weight: { ...weightOnly.weight, format: bits4 ? 'int4' : 'none' },
  gptq: { ...weightOnly.gptq, sequential: true },
  prune,
});
const half = { kind: 'share', share: 0.5, zeros: 0, of: 0 } as const;
const twoOfFour = { kind: 'pattern', share: 0.5, zeros: 2, of: 4 } as const;

export const presets: readonly Recipe[] = [
  atom,
  paper,
  {
    ...paper,
    name: 'atom-w3a3',
    description: 'W3A3 KV3 as Atom published it (simulated cache)',
    weight: { ...paper.weight, format: 'int3' },
    activation: { ...paper.activation, format: 'int3' },
    kv: { ...paper.kv, keyBits: 3, valueBits: 3 },
  },
  float4('fp4', 'W4A4 KV4 in E2M1 floats with plain group scales'),
  float4('mxfp4', 'W4A4 KV4 in MXFP4: E2M1, groups of 32, power-of-two scales'),
  float4('nvfp4', 'W4A4 KV4 in NVFP4: E2M1, groups of 16, E4M3 scales'),
  {
    ...atom,
    name: 'w4a8kv4',
    description: 'W4A8 KV4: our best weights, INT8 activations; on a CPU as fast as W4A4',
    activation: { ...atom.activation, ...halvable8 },
  },
  {
    ...atom,
    name: 'w8a8',
    description: 'W8A8 KV8 with our transforms',
    weight: { ...atom.weight, format: 'int8' },
    activation: { ...atom.activation, format: 'int8' },
    kv: eight,
  },
  {
    ...atom,
    name: 'w4a16',
    description: 'W4A16: our best weights alone',
    activation: plain16,
    outliers: noOutliers,
    kv: wide,
    transforms: { ...atom.transforms, downHadamard: false },
  },
  {
    ...weightOnly,
    name: 'rtn-w4a16',
    description: 'W4A16 by rounding to nearest',
    rounding: 'rtn',
  },
  {
    ...weightOnly,
    name: 'gptq',
    description: 'W4A16 by GPTQ (Frantar et al., 2022)',
    gptq: { ...weightOnly.gptq, sequential: true },
  },
  {
    ...weightOnly,
    name: 'awq',
    description: 'W4A16 by AWQ (Lin et al., 2023): searched scales and clipping, no GPTQ',
    rounding: 'rtn',
    weight: { ...weightOnly.weight, clip: 'search' },
    transforms: { ...plainTransforms, migration: 'awq' },
  },
  {
    ...weightOnly,
    name: 'smoothquant',
    description: 'W8A8 by SmoothQuant (Xiao et al., 2022): per token and per channel, searched migration',
    rounding: 'rtn',
    weight: { ...weightOnly.weight, format: 'int8', groupSize: 0 },
    activation: { format: 'int8', groupSize: 0, range: 'symmetric', clip: 1 },
    kv: eight,
    transforms: { ...plainTransforms, migration: 'smoothquant' },
  },
  sparse('sparsegpt-50', 'half of the weights zero (SparseGPT, Frantar and Alistarh, 2023)', half, false),
  sparse('sparsegpt-2:4', 'two of four weights zero, by SparseGPT', twoOfFour, false),
  sparse('sparsegpt-50-w4', 'half of the weights zero, the rest in 4 bits, by SparseGPT', half, true),
  sparse('sparsegpt-2:4-w4', 'two of four weights zero, the rest in 4 bits, by SparseGPT', twoOfFour, true),
];

/** Throws `bad-option` with the names there are. */
export function presetNamed(name: string): Recipe {
  const found = presets.find((preset) => preset.name === name);
  if (found) return found;
  throw new AtomError(
    'bad-option',
    `there is no preset '${name}'; choose one of ${presets.map((preset) => preset.name).join(', ')}`,
  );
}

/** Of a recipe: channels of a group and outlier channels. */
interface Sizes {
  readonly groupSize: number;
  readonly outliers: number;
}

/** A recipe with other groups and outliers: small models cannot spare 128 channels of 256. What it has none of stays so. */
export function resized(recipe: Recipe, { groupSize, outliers }: Sizes): Recipe {
  const size = (asked: number) => (asked === 0 ? 0 : groupSize);
  return {
    ...recipe,
    weight: { ...recipe.weight, groupSize: size(recipe.weight.groupSize) },
    activation: { ...recipe.activation, groupSize: size(recipe.activation.groupSize) },
    outliers: { ...recipe.outliers, channels: recipe.outliers.channels === 0 ? 0 : outliers },
  };
}

/** The preset, fitted. Throws `bad-option` with the names there are. */
export function presetFor(name: string, config: ModelConfig, given?: Partial<Sizes>): Recipe {
  return fitted(presetNamed(name), config, given);
}

/** A recipe with the groups and outliers that a model has room for, or those given. */
export function fitted(
  recipe: Recipe,
  config: ModelConfig,
  { groupSize, outliers }: Partial<Sizes> = {},
): Recipe {
  const sizes = sizesFor(recipe, config);
  return resized(recipe, {
    groupSize: groupSize ?? sizes.groupSize,
    outliers: outliers ?? sizes.outliers,
  });
}

/** Groups and outliers for a model: 128 of each as published where the model can spare them, else 32. */
function sizesFor(recipe: Recipe, { hiddenSize, intermediateSize, numHeads, headDim }: ModelConfig): Sizes {
  const inputs = [hiddenSize, numHeads * headDim, intermediateSize];
  const small = { groupSize: 32, outliers: 32 };
  if (Math.min(...inputs) < 1024) return small;
  const outliers = recipe.outliers.channels;
  const groupSize = [128, 64, 32].find((size) =>
    inputs.every((channels) => (channels - outliers) % size === 0),
  );
  return groupSize === undefined ? small : { groupSize, outliers };
}
