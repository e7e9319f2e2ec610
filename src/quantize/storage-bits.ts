// What quantized weights take: codes, scales and outliers, in bits. Three-bit codes count as three bits, although today's
// checkpoint keeps them in nibbles. Channel orders, a word per input channel, are left out.
import type { ModelConfig } from '../checkpoint/model-config.ts';
import type { LinearInput } from '../model/model-source.ts';
import { type Precision, withPrecision } from './precision.ts';
import { linearInputs } from './profile.ts';
import { bitsOf, groupSizeOf, type Recipe } from './recipe.ts';

export interface LinearShape {
  readonly outputs: number;
  readonly inputs: number;
}

/** All linears of each input together. */
export function linearShapes(config: ModelConfig): Readonly<Record<LinearInput, LinearShape>> {
  const { hiddenSize, intermediateSize, numHeads, numKvHeads, headDim } = config;
  return {
    qkv: { outputs: (numHeads + 2 * numKvHeads) * headDim, inputs: hiddenSize },
    output: { outputs: hiddenSize, inputs: numHeads * headDim },
    gateUp: { outputs: 2 * intermediateSize, inputs: hiddenSize },
    down: { outputs: hiddenSize, inputs: intermediateSize },
  };
}

/** Bits that a weight of this shape takes. */
export function weightBits({ outputs, inputs }: LinearShape, { weight, outliers }: Recipe): number {
  const { format, channelGroup, scale } = weight;
  if (format === 'none' || format === 'fp16') return 16 * outputs * inputs;
  const normal = inputs - outliers.channels;
  const groups = normal / groupSizeOf(format, weight.groupSize, normal);
  const wide = scale === 'f16' ? 16 : 32;
  const codes = outputs * normal * bitsOf(format);
  const scales = (outputs / channelGroup) * groups * (format === 'mxfp4' || format === 'nvfp4' ? 8 : wide);
  const perRow = outliers.channels * bitsOf(outliers.format) + (outliers.format === 'fp16' ? 0 : wide);
  return codes + scales + (outliers.channels > 0 ? outputs * perRow : 0);
}

/** Bits per weight of the decoder's linears; embedding and head are left out. */
export function averageBitsOf(config: ModelConfig, recipe: Recipe, precision?: Precision): number {
  const shapes = linearShapes(config);
  let bits = 0;
  let weights = 0;
  for (let layer = 0; layer < config.numLayers; layer++) {
    for (const input of linearInputs) {
      bits += weightBits(shapes[input], withPrecision(recipe, precision?.[layer]?.[input]));
      weights += shapes[input].outputs * shapes[input].inputs;
    }
  }
  return bits / weights;
}
