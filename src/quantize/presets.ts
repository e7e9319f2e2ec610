// The named recipes: Atom as published, at the sizes of large models, and the simpler schemes it is compared with.
import { AtomError } from '../errors.ts';
import type { Recipe } from './recipe.ts';

const paper: Recipe = {
  name: 'atom-paper',
  method: 'gptq',
  weight: { format: 'int4', groupSize: 128, channelGroup: 2, clip: 0.85, publishedRange: true },
  activation: { format: 'int4', groupSize: 128, symmetric: true, clip: 0.9 },
  outliers: { channels: 128, format: 'int8' },
  kv: { keyBits: 4, valueBits: 4, clip: 1, keyBeforeRope: true },
  gptq: { damping: 0.01, blockSize: 128, staleScales: true },
};

const withBits = (name: string, format: 'int2' | 'int3' | 'int8', bits: 2 | 3 | 8): Recipe => ({
  ...paper,
  name,
  weight: { ...paper.weight, format },
  activation: { ...paper.activation, format },
  kv: { ...paper.kv, keyBits: bits, valueBits: bits },
});

const presets: readonly Recipe[] = [paper, withBits('atom-w3a3', 'int3', 3), withBits('w8a8', 'int8', 8)];

/** Throws `bad-option` with the names there are. */
export function presetNamed(name: string): Recipe {
  const found = presets.find((preset) => preset.name === name);
  if (found) return found;
  throw new AtomError(
    'bad-option',
    `there is no preset '${name}'; choose one of ${presets.map((preset) => preset.name).join(', ')}`,
  );
}

/** A recipe with other groups and outliers: small models cannot spare 128 channels of 256. */
export function resized(
  recipe: Recipe,
  { groupSize, outliers }: { groupSize: number; outliers: number },
): Recipe {
  return {
    ...recipe,
    weight: { ...recipe.weight, groupSize },
    activation: { ...recipe.activation, groupSize },
    outliers: { ...recipe.outliers, channels: outliers },
  };
}

/** The steps from plain rounding to `recipe`, each adding one thing (Atom, section 5.4). */
export function ladder(recipe: Recipe): readonly Recipe[] {
  const plain = { groupSize: 0, clip: 1 } as const;
  const noKv = { ...recipe.kv, keyBits: 16, valueBits: 16 } as const;
  const rtn: Recipe = {
    ...recipe,
    name: 'RTN, per token and per output channel',
    method: 'rtn',
    weight: { ...recipe.weight, ...plain, channelGroup: 1 },
    activation: { ...recipe.activation, ...plain },
    outliers: { ...recipe.outliers, channels: 0 },
    kv: noKv,
  };
  const fp16: Recipe = { ...rtn, name: '+ outliers FP16', outliers: { ...recipe.outliers, format: 'fp16' } };
  const int8: Recipe = { ...fp16, name: '+ outliers INT8', outliers: recipe.outliers };
  const { groupSize } = recipe.weight;
  const groups: Recipe = {
    ...int8,
    name: `+ groups of ${groupSize}`,
    weight: { ...int8.weight, groupSize, channelGroup: recipe.weight.channelGroup },
    activation: { ...int8.activation, groupSize: recipe.activation.groupSize },
  };
  const clipped: Recipe = {
    ...groups,
    name: '+ clipping',
    weight: { ...groups.weight, clip: recipe.weight.clip },
    activation: recipe.activation,
  };
  const gptq: Recipe = { ...clipped, name: '+ GPTQ', method: 'gptq' };
  const kv: Recipe = { ...gptq, name: `+ KV INT${recipe.kv.keyBits} (${recipe.name})`, kv: recipe.kv };
  return [rtn, fp16, int8, groups, clipped, gptq, kv];
}
