// A layer before its weights are rounded: transformed, its channels in their final order. The function it computes is
// still that of the checkpoint.
import type { Backend } from '../backend/backend.ts';
import type { ActivationFormat } from '../backend/formats.ts';
import type { Tensor } from '../backend/tensor.ts';
import type { ModelConfig } from '../checkpoint/model-config.ts';
import type { LayerSource, LinearGroup, LinearInput } from '../model/model-source.ts';
import { reorderIndex } from '../numerics/reorder.ts';
import { type LayerWeights, linearsOf } from './layer-weights.ts';
import { reorderColumns, reorderRows } from './matrix.ts';
import { type ChannelSums, type LayerProfile, linearInputs } from './profile.ts';
import { activationQuantizer } from './quantize-matrix.ts';
import { groupSizeOf, type Recipe } from './recipe.ts';
import { balanceScales, foldNorms, type ScaledInputs } from './transforms/fold-scales.ts';
import type { Rotation } from './transforms/rotation.ts';

/** Per input: position c holds channel order[c]; absent where channels stay in their natural order. */
export type ChannelOrders = Readonly<Partial<Record<LinearInput, Int32Array>>>;

/** Norms folded, scales balanced, residual turned; gives the order that each input's channels are to take. */
export function transformLayer(
  weights: LayerWeights,
  options: { recipe: Recipe; config: ModelConfig; profile: LayerProfile; rotation?: Rotation | undefined },
): ChannelOrders {
  const { recipe, config, profile, rotation } = options;
  const { transforms, outliers } = recipe;
  const gains = { qkv: weights.attentionNorm.f32().slice(), gateUp: weights.mlpNorm.f32().slice() };
  const folded = transforms.foldScales || rotation !== undefined;
  if (folded) foldNorms(weights);
  const scaled = transforms.foldScales ? balanceScales(weights, profile, config) : undefined;
  rotation?.apply(weights);
  if (outliers.channels === 0) return {};
  const orders: Partial<Record<LinearInput, Int32Array>> = {};
  for (const input of linearInputs) {
    const readsStream = input === 'qkv' || input === 'gateUp';
    // The rotation has put the outliers last already.
    if (readsStream && rotation) continue;
    const factors = readsStream
      ? folded && Float64Array.from(gains[input], (gain) => (gain === 0 ? 0 : 1 / gain))
      : scaled?.[input as keyof ScaledInputs];
    orders[input] = reorderIndex(scoreOf(profile.inputs[input], outliers.sort, factors || undefined));
  }
  return orders;
}

function scoreOf(
  { sumSquares, sumMagnitudes }: ChannelSums,
  sort: Recipe['outliers']['sort'],
  factors: Float64Array | undefined,
): Float64Array {
  const scores = sort === 'hessian' ? sumSquares : sumMagnitudes.map((sum) => sum ** 2);
  return factors ? scores.map((score, c) => score * factors[c]! ** 2) : scores;
}

/** Puts rows and columns in their order. What makes the input of `down` makes it in order; nothing is left to do there. */
export function reorderLayer(weights: LayerWeights, orders: ChannelOrders): void {
  for (const input of linearInputs) {
    const order = orders[input];
    if (!order) continue;
    for (const name of linearsOf[input]) reorderColumns(weights.matrices[name], order);
    if (input !== 'down') continue;
    for (const name of ['gate', 'up'] as const) {
      reorderRows(weights.matrices[name], order);
      const bias = weights.bias(name);
      bias?.set(bias.slice().map((_, i, before) => before[order[i]!]!));
    }
  }
}

/** The Hadamard transform that the input of `down` goes through, if it does, done to the rows of a matrix over its channels. */
export function hadamardDown(
  matrix: Tensor, // (rows, channels) f32
  { backend, recipe }: { backend: Backend; recipe: Recipe },
): void {
  if (!recipe.transforms.downHadamard) return;
  const [rows, channels] = matrix.shape as [number, number];
  const quantizer = activationQuantizer(recipe, 'down');
  const { format, groupSize } = quantizer;
  const transform = {
    ...quantizer,
    groupSize: groupSizeOf(format, groupSize, channels - quantizer.outlierChannels),
    format: 'none',
    outlierFormat: 'none',
  } as const;
  backend.fakeQuant({ x: matrix, out: matrix, rows, quantizer: transform });
}

/** The layer as a decoder takes it, reading the matrices where they are; `recipeOf` gives each input its quantizer. */
export function layerSource(
  weights: LayerWeights,
  {
    orders,
    recipeOf,
  }: { orders: Readonly<Partial<Record<LinearInput, Tensor>>>; recipeOf: (input: LinearInput) => Recipe },
): LayerSource {
  const group = (input: LinearInput): LinearGroup => {
    const recipe = recipeOf(input);
    const plain = recipe.activation.format === 'none' && !activationQuantizer(recipe, input).hadamard;
    const activation: ActivationFormat = plain
      ? { kind: 'f32' }
      : { kind: 'simulated', quantizer: activationQuantizer(recipe, input) };
    const bias = weights.biases(input);
    const reorder = input === 'down' ? undefined : orders[input];
    return {
      sources: linearsOf[input].map((name) => ({
        kind: 'dense',
        weight: weights.matrices[name],
        compute: 'f32',
      })),
      activation,
      ...(bias && { bias }),
      ...(reorder && { reorder }),
    };
  };
  return {
    attentionNorm: weights.attentionNorm,
    mlpNorm: weights.mlpNorm,
    ...(weights.qNorm && weights.kNorm && { qNorm: weights.qNorm, kNorm: weights.kNorm }),
    linears: { qkv: group('qkv'), output: group('output'), gateUp: group('gateUp'), down: group('down') },
  };
}
