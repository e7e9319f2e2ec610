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
import { ChannelStatistics } from '../statistics.ts';
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
    using trial = new Trial(weights, input, options);
    const scalesAt = scalesOf(weights, input, options);
    let best = { error: Number.POSITIVE_INFINITY, exponent: 0, scales: new Float64Array() as Float64Array };
    for (let step = 0; step <= gridSteps; step++) {
      const exponent = step / gridSteps;
      const scales = scalesAt(exponent);
      const error = trial.error(scales);
      if (error < best.error) best = { error, exponent, scales };
    }
    apply(weights, input, best.scales, options.config);
    chosen[input] = best.exponent;
  }
  return chosen;
}

/** The scales that an exponent gives. */
function scalesOf(
  weights: LayerWeights,
  input: LinearInput,
  { backend, recipe, sums, rows, config }: MigrationOptions,
): (exponent: number) => Float64Array {
  const { sumMagnitudes, peaks } = sums[input];
  const loudest = recipe.transforms.migration === 'awq' ? undefined : loudestWeights(backend, weights, input);
  return (exponent) => {
    const scales = loudest
      ? Float64Array.from(peaks, (peak, c) => peak ** exponent / loudest[c]! ** (1 - exponent))
      : sumMagnitudes.map((sum) => (sum / rows) ** exponent);
    // Heads of a group read the same values, so they share scales.
    if (input === 'output') shareByGroup(scales, config);
    const usable = scales.map((scale) => (scale > 0 && Number.isFinite(scale) ? scale : 1));
    const mean = Math.exp(usable.reduce((sum, scale) => sum + Math.log(scale), 0) / usable.length);
    return usable.map((scale) => scale / mean);
  };
}

/** Largest magnitude of each channel's weights, over all linears of an input. */
function loudestWeights(backend: Backend, { matrices }: LayerWeights, input: LinearInput): Float32Array {
  const linears = linearsOf[input].map((name) => matrices[name]);
  using statistics = new ChannelStatistics(backend, linears[0]!.shape[1]!);
  for (const matrix of linears) statistics.add(matrix, matrix.shape[0]!);
  return statistics.peaks;
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

/** Tries scales of an input on the sample rows: what stays the same for all of them is computed once. */
class Trial implements Disposable {
  readonly #options: MigrationOptions;
  readonly #input: LinearInput;
  readonly #scaled: Tensor; // (rows, channels)
  /** Of each linear: its weight, room for another, and its outputs (rows, out) as they are and as they become. */
  readonly #linears: readonly Readonly<Record<'weight' | 'rounded' | 'exact' | 'quantized', Tensor>>[];

  constructor(weights: LayerWeights, input: LinearInput, options: MigrationOptions) {
    const { backend, samples } = options;
    const x = samples[input];
    this.#options = options;
    this.#input = input;
    this.#scaled = backend.allocate('f32', x.shape);
    this.#linears = linearsOf[input].map((name) => {
      const weight = weights.matrices[name];
      const outputs = [x.shape[0]!, weight.shape[0]!];
      const exact = backend.allocate('f32', outputs);
      multiply(backend, x, weight, exact);
      const rounded = backend.allocate('f32', weight.shape);
      return { weight, rounded, exact, quantized: backend.allocate('f32', outputs) };
    });
  }

  /** Squared error of the linears' outputs, inputs and weights quantized with these scales. */
  error(scales: Float64Array): number {
    const { backend, recipe, samples } = this.#options;
    const [x, scaled] = [samples[this.#input], this.#scaled];
    scaled.f32().set(x.f32());
    scaleColumns(scaled, inverse(scales));
    if (recipe.activation.format !== 'none') {
      const quantizer = activationQuantizer(recipe, this.#input);
      backend.fakeQuant({ x: scaled, out: scaled, rows: x.shape[0]!, quantizer });
    }
    let error = 0;
    for (const { weight, rounded, exact, quantized } of this.#linears) {
      rounded.f32().set(weight.f32());
      scaleColumns(rounded, scales);
      roundToNearest(rounded, { backend, recipe });
      multiply(backend, scaled, rounded, quantized);
      const [a, b] = [exact.f32(), quantized.f32()];
      for (let i = 0; i < a.length; i++) error += (a[i]! - b[i]!) ** 2;
    }
    return error;
  }

  [Symbol.dispose](): void {
    this.#scaled[Symbol.dispose]();
    for (const { rounded, exact, quantized } of this.#linears) {
      for (const tensor of [rounded, exact, quantized]) tensor[Symbol.dispose]();
    }
  }
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
