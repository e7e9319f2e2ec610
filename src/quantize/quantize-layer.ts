// Rounds the weights of one prepared layer, input by input: what each input looks like is measured with everything before
// it quantized already.
import type { Backend } from '../backend/backend.ts';
import type { ElementFormat, KvFormat } from '../backend/formats.ts';
import type { Tensor } from '../backend/tensor.ts';
import type { LayerSource, LinearInput } from '../model/model-source.ts';
import type { LayerRunner } from './layer-runner.ts';
import { type LayerWeights, type LinearName, linearsOf } from './layer-weights.ts';
import { multiply } from './matrix.ts';
import { linearInputs } from './profile.ts';
import { type RoundedWeight, roundBySpread, roundPlain, roundToNearest } from './quantize-matrix.ts';
import type { Recipe } from './recipe.ts';

export interface QuantizedLinear {
  readonly name: LinearName;
  readonly input: LinearInput;
  readonly format: ElementFormat;
  readonly activation: ElementFormat;
  readonly rounded: RoundedWeight;
  /** Squared error of the linear's output over the calibration tokens, as a share of the output's square. */
  readonly error?: number;
}

export interface RoundedLayer {
  readonly linears: readonly QuantizedLinear[];
  /** (channels) mean squares over the calibration tokens, in the order they were quantized in; of inputs with a Hessian. */
  readonly meanSquares: Readonly<Partial<Record<LinearInput, Float32Array>>>;
}

export interface RoundOptions {
  readonly backend: Backend;
  readonly runner: LayerRunner;
  readonly source: LayerSource;
  readonly index: number;
  readonly kvFormat: KvFormat;
  readonly recipeOf: (input: LinearInput) => Recipe;
}

/** Rounds all weights in place and moves the calibration tokens on through the layer. */
export function roundLayer(weights: LayerWeights, options: RoundOptions): RoundedLayer {
  const { runner, source, index, kvFormat, recipeOf } = options;
  const pass = { source, index, kvFormat };
  const linears: QuantizedLinear[] = [];
  const meanSquares: Partial<Record<LinearInput, Float32Array>> = {};
  const round = (input: LinearInput, hessian: Tensor | undefined) => {
    if (hessian) meanSquares[input] = diagonalOf(hessian, 1 / runner.rows);
    linears.push(...roundInput(weights, input, { ...options, recipe: recipeOf(input), hessian }));
    hessian?.[Symbol.dispose]();
  };
  const { rounding, gptq } = recipeOf('qkv');
  if (rounding === 'rtn' || !gptq.sequential) {
    const hessians = hessiansOf(linearInputs, options, { advance: false });
    for (const input of linearInputs) round(input, hessians.get(input));
    runner.run({ ...pass, advance: true });
    return { linears, meanSquares };
  }
  for (const half of ['attention', 'mlp'] as const) {
    const [first, last] = half === 'attention' ? (['qkv', 'output'] as const) : (['gateUp', 'down'] as const);
    for (const input of [first, last]) {
      round(input, hessiansOf([input], options, { half, stopAt: input, advance: false }).get(input));
    }
    runner.run({ ...pass, half, from: last, advance: true });
  }
  return { linears, meanSquares };
}

/** x^T x of the inputs, upper triangles, over all calibration tokens; the caller disposes them. */
export function hessiansOf(
  inputs: readonly LinearInput[],
  { backend, runner, source, index, kvFormat }: Omit<RoundOptions, 'recipeOf'>,
  how: { advance: boolean; half?: 'attention' | 'mlp'; stopAt?: LinearInput },
): Map<LinearInput, Tensor> {
  const hessians = new Map<LinearInput, Tensor>();
  runner.run({
    source,
    index,
    kvFormat,
    ...how,
    observe: (input, linear, rows) => {
      if (!inputs.includes(input)) return;
      const { channels, storage } = linear.input;
      const hessian = hessians.get(input) ?? backend.allocate('f32', [channels, channels]);
      hessians.set(input, hessian);
      backend.syrk({ x: storage, rows, hessian });
    },
  });
  return hessians;
}

/** Rounds the weights of one input in place. `hessian` may serve again. */
export function roundInput(
  weights: LayerWeights,
  input: LinearInput,
  { backend, recipe, hessian }: { backend: Backend; recipe: Recipe; hessian: Tensor | undefined },
): QuantizedLinear[] {
  const names = linearsOf[input];
  const { format } = recipe.weight;
  const entry = { input, format, activation: recipe.activation.format };
  if (!hessian || (format === 'none' && recipe.rounding !== 'sparsegpt')) {
    for (const name of names) roundPlain(weights.matrices[name]);
    return names.map((name) => ({ ...entry, name, rounded: nothing }));
  }
  mirror(hessian);
  const n = hessian.shape[0]!;
  using importance = backend.allocate('f32', [n]);
  using spread = recipe.rounding === 'rtn' ? undefined : backend.allocate('f32', [n, n]);
  if (spread) {
    using matrix = damped(hessian, { backend, damping: recipe.gptq.damping });
    for (const name of names) dropDeadColumns(weights.matrices[name], hessian);
    backend.inverseCholesky({ matrix, out: spread });
    const pivots = spread.f32();
    importance.f32().set(Float32Array.from({ length: n }, (_, c) => 1 / pivots[c * (n + 1)]! ** 2));
  } else {
    const squares = hessian.f32();
    importance.f32().set(Float32Array.from({ length: n }, (_, c) => squares[c * (n + 1)]!));
  }
  return names.map((name) => {
    const weight = weights.matrices[name];
    using before = backend.allocate('f32', weight.shape);
    before.f32().set(weight.f32());
    const rounded = spread
      ? roundBySpread(weight, { backend, recipe, importance, spread })
      : roundToNearest(weight, { backend, recipe, importance });
    return { ...entry, name, rounded, error: relativeError(weight, before, { backend, hessian }) };
  });
}

const nothing: RoundedWeight = {
  scales: new Float32Array(),
  outlierScales: new Float32Array(),
  tensorScale: 1,
};

function diagonalOf(matrix: Tensor, factor: number): Float32Array {
  const n = matrix.shape[0]!;
  const values = matrix.f32();
  return Float32Array.from({ length: n }, (_, c) => values[c * (n + 1)]! * factor);
}

/** Fills what lies below the diagonal. */
export function mirror(hessian: Tensor): void {
  const n = hessian.shape[0]!;
  const values = hessian.f32();
  const square = 64;
  for (let top = 0; top < n; top += square) {
    for (let left = 0; left <= top; left += square) {
      for (let row = top; row < Math.min(n, top + square); row++) {
        for (let c = left; c < Math.min(row, left + square); c++) values[row * n + c] = values[c * n + row]!;
      }
    }
  }
}

/** A copy of H + damping mean(diag H) I. Channels never seen get 1 on the diagonal. */
function damped(hessian: Tensor, { backend, damping }: { backend: Backend; damping: number }): Tensor {
  const n = hessian.shape[0]!;
  const copy = backend.allocate('f32', hessian.shape);
  const values = copy.f32();
  values.set(hessian.f32());
  let trace = 0;
  for (let c = 0; c < n; c++) {
    if (values[c * (n + 1)] === 0) values[c * (n + 1)] = 1;
    trace += values[c * (n + 1)]!;
  }
  for (let c = 0; c < n; c++) values[c * (n + 1)]! += (damping * trace) / n;
  return copy;
}

/** Weights of channels that calibration never saw do nothing but widen groups. */
function dropDeadColumns(weight: Tensor, hessian: Tensor): void {
  const [rows, columns] = weight.shape as [number, number];
  for (let c = 0; c < columns; c++) {
    if (hessian.f32()[c * (columns + 1)] !== 0) continue;
    for (let row = 0; row < rows; row++) weight.f32()[row * columns + c] = 0;
  }
}

/** tr(D H D^T) / tr(W H W^T) with D = W - Q. */
function relativeError(
  after: Tensor,
  before: Tensor,
  { backend, hessian }: { backend: Backend; hessian: Tensor },
): number {
  using product = backend.allocate('f32', before.shape);
  const energy = (matrix: Tensor): number => {
    multiply(backend, matrix, hessian, product);
    const [a, b] = [matrix.f32(), product.f32()];
    let sum = 0;
    for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
    return sum;
  };
  const total = energy(before);
  const [values, rounded] = [before.f32(), after.f32()];
  for (let i = 0; i < values.length; i++) values[i]! -= rounded[i]!;
  return total > 0 ? energy(before) / total : 0;
}
