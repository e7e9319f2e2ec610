// The steps from plain rounding to Atom as published, and from there to our own recipe, each adding one thing
// (Atom, section 5.4): what `atom eval --ablation` measures.
import type { Recipe } from './recipe.ts';

/** From rounding to nearest to `recipe`. */
export function ladder(recipe: Recipe): readonly Recipe[] {
  const plain = { groupSize: 0, clip: 1 } as const;
  const noKv = { ...recipe.kv, keyBits: 16, valueBits: 16 } as const;
  const rtn: Recipe = {
    ...recipe,
    name: 'RTN, per token and per output channel',
    rounding: 'rtn',
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
  const gptq: Recipe = { ...clipped, name: '+ GPTQ', rounding: 'gptq' };
  const kv: Recipe = { ...gptq, name: `+ KV INT${recipe.kv.keyBits} (${recipe.name})`, kv: recipe.kv };
  return [rtn, fp16, int8, groups, clipped, gptq, kv];
}

/** From `paper` to `best`, one thing at a time. */
export function beyond(paper: Recipe, best: Recipe): readonly Recipe[] {
  const steps: Recipe[] = [];
  const add = (name: string, change: (recipe: Recipe) => Partial<Recipe>) => {
    const before = steps.at(-1) ?? paper;
    steps.push({ ...before, ...change(before), name });
  };
  add('+ inputs in sequence', ({ gptq }) => ({ gptq: { ...gptq, sequential: best.gptq.sequential } }));
  add('+ folded scales', ({ transforms }) => ({ transforms: { ...transforms, foldScales: true } }));
  add('+ signed activation scales', () => ({ activation: best.activation }));
  add('+ Hadamard on down', ({ transforms }) => ({ transforms: { ...transforms, downHadamard: true } }));
  add('+ searched weight scales', () => ({ weight: best.weight, gptq: best.gptq }));
  add('+ KV keys after RoPE, Hadamard', () => ({ kv: best.kv }));
  add(`+ rotated residual (${best.name})`, ({ transforms }) => ({
    transforms: { ...transforms, rotateResidual: true },
  }));
  return steps;
}
