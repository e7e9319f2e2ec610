// Scale migration of two baselines, each searched on calibration rows for the least error of the linears' output:
// AWQ (Lin et al., 2023): s = mean|x|^a, weights grow where activations are large, so that rounding hurts them less;
// SmoothQuant (Xiao et al., 2022): s = max|x|^a / max|w|^(1-a), activations shrink where they are loud.
// Inputs become x / s and weights W s; the division goes into what makes the input: norm gains, v, up.
import type { Backend } from '../../backend/backend.ts';
import type { Tensor } from '../../backend/tensor.ts';
import type { ModelConfig } from '../../checkpoint/model-config.ts';
import type { LinearInput } from '../../model/model-source.ts';
import { type LayerWeights, linearsOf } from '../layer-weights.ts';
import { multiply, scaleColumns } from '../matrix.ts';
import { type ChannelSums, linearInputs } from '../profile.ts';
import { activationQuantizer, roundToNearest } from '../quantize-matrix.ts';
import type { Recipe } from '../recipe.ts';
import { inverse, scaleOutputs } from './fold-scales.ts';

export interface MigrationOptions {
  readonly backend: Backend;
  readonly recipe: Recipe;
  readonly config: ModelConfig;
  /** Per input: rows of it (rows, channels) f32, in natural channel order. */
  readonly samples: Readonly<Record<LinearInput, Tensor>>;
  readonly sums: Readonly<Record<LinearInput, ChannelSums>>;
  readonly rows: number;
}

const gridSteps = 20;

/** Moves scales of all four inputs; gives the exponent chosen for each. */
export function migrateScales(weights: LayerWeights, options: MigrationOptions): Record<LinearInput, number> {
  const chosen = {} as Record<LinearInput, number>;
  for (const input of linearInputs) {
    let best = { error: Number.POSITIVE_INFINITY, exponent: 0, scales: new Float64Array() as Float64Array };
    for (let step = 0; step <= gridSteps; step++) {
      const exponent = step / gridSteps;
      const scales = scalesOf(weights, input, exponent, options);
      const error = outputError(weights, input, scales, options);
      if (error < best.error) best = { error, exponent, scales };
    }
    apply(weights, input, best.scales, options.config);
    chosen[input] = best.exponent;
  }
  return chosen;
}

function scalesOf(
  weights: LayerWeights,
  input: LinearInput,
  exponent: number,
  { recipe, sums, rows, config }: MigrationOptions,
): Float64Array {
  const { sumMagnitudes, peaks } = sums[input];
  let scales: Float64Array;
  if (recipe.transforms.migration === 'awq') {
    scales = sumMagnitudes.map((sum) => (sum / rows) ** exponent);
  } else {
    const loudest = new Float64Array(peaks.length);
    for (const name of linearsOf[input]) {
      for (const [i, value] of weights.matrices[name].f32().entries()) {
        const c = i % loudest.length;
        loudest[c] = Math.max(loudest[c]!, Math.abs(value));
      }
    }
    scales = Float64Array.from(peaks, (peak, c) => peak ** exponent / loudest[c]! ** (1 - exponent));
  }
  // Heads of a group read the same values, so they share scales.
  if (input === 'output') shareByGroup(scales, config);
  const usable = scales.map((scale) => (scale > 0 && Number.isFinite(scale) ? scale : 1));
  const mean = Math.exp(usable.reduce((sum, scale) => sum + Math.log(scale), 0) / usable.length);
  return usable.map((scale) => scale / mean);
}

function shareByGroup(scales: Float64Array, { numHeads, numKvHeads, headDim }: ModelConfig): void {
  const group = numHeads / numKvHeads;
  for (let kvHead = 0; kvHead < numKvHeads; kvHead++) {
    for (let c = 0; c < headDim; c++) {
      const places = Array.from({ length: group }, (_, g) => (kvHead * group + g) * headDim + c);
      const largest = Math.max(...places.map((place) => scales[place]!));
      for (const place of places) scales[place] = largest;
    }
  }
}

/** Squared error of the linears' outputs over the sample rows, inputs and weights quantized with these scales. */
function outputError(
  weights: LayerWeights,
  input: LinearInput,
  scales: Float64Array,
  { backend, recipe, samples }: MigrationOptions,
): number {
  const x = samples[input];
  const rows = x.shape[0]!;
  using scaled = backend.allocate('f32', x.shape);
  scaled.f32().set(x.f32());
  scaleColumns(scaled, inverse(scales));
  if (recipe.activation.format !== 'none')
    backend.fakeQuant({ x: scaled, out: scaled, rows, quantizer: activationQuantizer(recipe, input) });
  let error = 0;
  for (const name of linearsOf[input]) {
    const matrix = weights.matrices[name];
    using rounded = backend.allocate('f32', matrix.shape);
    rounded.f32().set(matrix.f32());
    scaleColumns(rounded, scales);
    roundToNearest(rounded, { backend, recipe });
    using exact = backend.allocate('f32', [rows, matrix.shape[0]!]);
    using quantized = backend.allocate('f32', [rows, matrix.shape[0]!]);
    multiply(backend, x, matrix, exact);
    multiply(backend, scaled, rounded, quantized);
    const [a, b] = [exact.f32(), quantized.f32()];
    for (let i = 0; i < a.length; i++) error += (a[i]! - b[i]!) ** 2;
  }
  return error;
}

function apply(weights: LayerWeights, input: LinearInput, scales: Float64Array, config: ModelConfig): void {
  for (const name of linearsOf[input]) scaleColumns(weights.matrices[name], scales);
  const shrink = inverse(scales);
  if (input === 'qkv' || input === 'gateUp') {
    const gain = (input === 'qkv' ? weights.attentionNorm : weights.mlpNorm).f32();
    for (const [c, factor] of shrink.entries()) gain[c]! *= factor;
  } else if (input === 'down') {
    scaleOutputs(weights, 'up', shrink);
  } else {
    const { numHeads, numKvHeads, headDim } = config;
    const group = numHeads / numKvHeads;
    const rows = Float64Array.from({ length: numKvHeads * headDim }, (_, i) => {
      return shrink[Math.floor(i / headDim) * group * headDim + (i % headDim)]!;
    });
    scaleOutputs(weights, 'v', rows);
  }
}
