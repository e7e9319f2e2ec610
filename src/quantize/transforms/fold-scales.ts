// Scales that move between neighbouring linears and leave the layer's function as it was: norm gains into the linears
// after them; rows of up against columns of down; rows of v against columns of o; pairs of rows of q against those of k.
// Activations and cached values lose their loud channels, and no weight gains any: each factor is the geometric middle.
import type { ModelConfig } from '../../checkpoint/model-config.ts';
import type { LayerWeights, LinearName } from '../layer-weights.ts';
import { columnSquares, scaleColumns, scaleRows } from '../matrix.ts';
import type { LayerProfile } from '../profile.ts';

/** Input channel c of a linear is now factors[c] times what it was. */
export interface ScaledInputs {
  readonly output: Float64Array;
  readonly down: Float64Array;
}

/** Gains into q, k, v and gate, up; the norms keep gains of 1. */
export function foldNorms(weights: LayerWeights): void {
  const { q, k, v, gate, up } = weights.matrices;
  for (const matrix of [q, k, v]) scaleColumns(matrix, weights.attentionNorm.f32());
  for (const matrix of [gate, up]) scaleColumns(matrix, weights.mlpNorm.f32());
  weights.attentionNorm.f32().fill(1);
  weights.mlpNorm.f32().fill(1);
}

export function balanceScales(
  weights: LayerWeights,
  profile: LayerProfile,
  config: ModelConfig,
): ScaledInputs {
  // Norms of q and k would undo what is done to the rows before them.
  if (!config.qkNorm) balanceQueriesAndKeys(weights, profile, config);
  return { output: balanceValues(weights, profile, config), down: balanceUp(weights, profile) };
}

/** Rows and bias of one linear, row r times factors[r]. */
export function scaleOutputs(weights: LayerWeights, name: LinearName, factors: Float64Array): void {
  scaleRows(weights.matrices[name], factors);
  const bias = weights.bias(name);
  for (const [i, factor] of factors.entries()) if (bias) bias[i]! *= factor;
}

export const inverse = (factors: Float64Array): Float64Array => factors.map((factor) => 1 / factor);

/** sqrt(wanted / loudness), their geometric mean 1; 1 where that is no number. */
function factorsFor(loudness: Float64Array, wanted: Float64Array): Float64Array {
  const factors = loudness.map((value, i) => {
    const factor = Math.sqrt(wanted[i]! / value);
    return factor > 0 && Number.isFinite(factor) ? factor : 1;
  });
  const mean = Math.exp(factors.reduce((sum, factor) => sum + Math.log(factor), 0) / factors.length);
  return factors.map((factor) => factor / mean);
}

function balanceUp(weights: LayerWeights, { inputs }: LayerProfile): Float64Array {
  const { down } = weights.matrices;
  const factors = factorsFor(inputs.down.sumSquares.map(Math.sqrt), columnSquares(down).map(Math.sqrt));
  scaleOutputs(weights, 'up', factors);
  scaleColumns(down, inverse(factors));
  return factors;
}

/** Values of a KV head are read by all query heads of its group: they share its factors. */
function balanceValues(weights: LayerWeights, { heads }: LayerProfile, config: ModelConfig): Float64Array {
  const { numHeads, numKvHeads, headDim } = config;
  const { o } = weights.matrices;
  const first = (numHeads + numKvHeads) * headDim;
  const columns = columnSquares(o);
  const perHead = Array.from({ length: numKvHeads }, (_, head) => {
    const from = first + head * headDim;
    const readers = sumOfGroup(columns, head, config);
    return factorsFor(heads.slice(from, from + headDim).map(Math.sqrt), readers.map(Math.sqrt));
  });
  scaleOutputs(weights, 'v', concatenated(perHead));
  const group = numHeads / numKvHeads;
  const inputs = concatenated(
    Array.from({ length: numHeads }, (_, head) => perHead[Math.floor(head / group)]!),
  );
  scaleColumns(o, inverse(inputs));
  return inputs;
}

/** The rotation mixes channels i and i + headDim / 2, so both of a pair take the same factor. */
function balanceQueriesAndKeys(weights: LayerWeights, { heads }: LayerProfile, config: ModelConfig): void {
  const { numHeads, numKvHeads, headDim } = config;
  const half = headDim / 2;
  const pairs = (squares: Float64Array) =>
    squares.map((_, i) => Math.sqrt(squares[i % half]! + squares[(i % half) + half]!));
  const keys = heads.subarray(numHeads * headDim);
  const perHead = Array.from({ length: numKvHeads }, (_, head) =>
    factorsFor(
      pairs(keys.slice(head * headDim, (head + 1) * headDim)),
      pairs(sumOfGroup(heads, head, config)),
    ),
  );
  const group = numHeads / numKvHeads;
  scaleOutputs(weights, 'k', concatenated(perHead));
  const queries = Array.from({ length: numHeads }, (_, head) => inverse(perHead[Math.floor(head / group)]!));
  scaleOutputs(weights, 'q', concatenated(queries));
}

/** Channel by channel over the query heads that read one KV head: (headDim). */
function sumOfGroup(
  values: Float64Array,
  kvHead: number,
  { numHeads, numKvHeads, headDim }: ModelConfig,
): Float64Array {
  const group = numHeads / numKvHeads;
  return Float64Array.from({ length: headDim }, (_, c) => {
    let sum = 0;
    for (let g = 0; g < group; g++) sum += values[(kvHead * group + g) * headDim + c]!;
    return sum;
  });
}

function concatenated(parts: readonly Float64Array[]): Float64Array {
  return Float64Array.from(parts.flatMap((part) => [...part]));
}
