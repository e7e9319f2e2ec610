// How much each choice of number formats hurts, input by input: the divergence of the logits on text held out from
// calibration, when the linears of that input alone are quantized so and all else is as in the checkpoint. These losses
// add up well, and hold from one text to another to a few percent. Choosing by each linear's own error on its inputs,
// tr(D H D^T) / tr(W H W^T), costs no such passes, but left 5 to 22 % more divergence at the same bits on the demo model.
// It must not know what bits cost.
//
// Per layer: every variant runs through the layer once, then all of them together through the layers after it. Memory is
// bounded by one layer and the variants' hidden states; work by variants * layers / 2 passes over the held-out text.
import type { Backend } from '../backend/backend.ts';
import type { Tensor } from '../backend/tensor.ts';
import type { LinearInput } from '../model/model-source.ts';
import { requireRunning } from './interruption.ts';
import { LayerRunner } from './layer-runner.ts';
import { type LayerWeights, linearsOf } from './layer-weights.ts';
import { LogitDivergence } from './logit-divergence.ts';
import { transposed } from './matrix.ts';
import { type InputPrecision, withPrecision } from './precision.ts';
import { hadamardDown } from './prepare-layer.ts';
import { linearInputs } from './profile.ts';
import { hessiansOf, mirror, roundInput } from './quantize-layer.ts';
import type { PreparedLayer, Quantizer } from './quantizer.ts';
import type { Recipe } from './recipe.ts';

/** Nats per token that each candidate costs, in the candidates' order. */
export type Sensitivity = readonly Readonly<Record<LinearInput, readonly number[]>>[];

export interface SensitivityOptions {
  readonly backend: Backend;
  readonly recipe: Recipe;
  readonly candidates: readonly InputPrecision[];
  /** Calibration windows, all of one length: what weights are rounded with. */
  readonly calibration: readonly Int32Array[];
  /** Windows on which logits are compared, all of one length. */
  readonly heldOut: readonly Int32Array[];
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

interface Variant {
  readonly input: LinearInput;
  readonly formats: InputPrecision;
}

const wideCache = { keyBits: 32, valueBits: 32 } as const;

/** Throws `cancelled`. */
export async function measureSensitivity(
  quantizer: Quantizer,
  options: SensitivityOptions,
): Promise<Sensitivity> {
  const { backend, candidates, calibration, heldOut, onProgress, signal } = options;
  const { config, source } = quantizer;
  const variants = linearInputs.flatMap((input) =>
    candidates.map((formats): Variant => ({ input, formats })),
  );
  // Between layers, held-out text is in the checkpoint's own basis.
  const plain = { backend, config, embedding: source.embedding };
  using calibrator = new LayerRunner({ ...plain, embedding: quantizer.embedding, samples: calibration });
  using unquantized = new LayerRunner({ ...plain, samples: heldOut });
  using trial = new LayerRunner({ ...plain, samples: heldOut });
  using stack = new LayerRunner({ ...plain, samples: variants.flatMap(() => heldOut) });
  using last = new LayerRunner({ ...plain, samples: heldOut });
  using divergence = new LogitDivergence({ backend, source });
  const advance = async (runner: LayerRunner, index: number) => {
    runner.run({ source: source.layer(index), index, kvFormat: wideCache, advance: true });
    await new Promise((resolve) => setImmediate(resolve));
    requireRunning(signal);
  };
  for (let index = 0; index < config.numLayers; index++) await advance(last, index);
  const result: Record<LinearInput, readonly number[]>[] = [];
  for (let index = 0; index < config.numLayers; index++) {
    requireRunning(signal);
    using prepared = quantizer.prepare(index, {
      runner: calibrator,
      recipeOf: () => plainOf(options.recipe),
    });
    const layer = new TrialLayer(prepared, { ...options, index, calibrator });
    for (const [place, variant] of variants.entries()) {
      toRotated(quantizer, unquantized.hidden, trial.hidden);
      layer.run(variant, trial);
      toPlain(quantizer, trial.hidden, stack.hidden.rows(place * trial.rows, trial.rows));
    }
    layer[Symbol.dispose]();
    await advance(unquantized, index);
    for (let after = index + 1; after < config.numLayers; after++) await advance(stack, after);
    const losses = divergence.measure({ reference: last.hidden, variants: stack.hidden });
    const of = (input: LinearInput) => losses.filter((_, place) => variants[place]!.input === input);
    result.push({ qkv: of('qkv'), output: of('output'), gateUp: of('gateUp'), down: of('down') });
    onProgress?.(index + 1, config.numLayers);
  }
  return result;
}

/** A prepared layer of which one input at a time is quantized. Making one moves the calibration tokens through it. */
class TrialLayer implements Disposable {
  readonly #prepared: PreparedLayer;
  readonly #options: SensitivityOptions & { readonly index: number };
  readonly #hessians: Map<LinearInput, Tensor>;

  constructor(
    prepared: PreparedLayer,
    options: SensitivityOptions & { readonly index: number; readonly calibrator: LayerRunner },
  ) {
    const { backend, index, calibrator } = options;
    this.#prepared = prepared;
    this.#options = options;
    const source = prepared.sourceOf(() => plainOf(options.recipe));
    this.#hessians = hessiansOf(
      linearInputs,
      { backend, runner: calibrator, source, index, kvFormat: wideCache },
      { advance: true },
    );
  }

  /** The runner's tokens through the layer, with one input quantized. */
  run({ input, formats }: Variant, runner: LayerRunner): void {
    const { backend, index } = this.#options;
    const { weights, sourceOf } = this.#prepared;
    const recipe = withPrecision(this.#options.recipe, formats);
    const measured = this.#hessians.get(input)!;
    using _restored = restoring(weights, input);
    using own = input === 'down' ? hadamardHessian(measured, { backend, recipe }) : undefined;
    if (own) hadamardDown(weights.matrices.down, { backend, recipe });
    roundInput(weights, input, { backend, recipe, hessian: own ?? measured });
    const plain = plainOf(recipe);
    const source = sourceOf((other) => (other === input ? recipe : plain));
    runner.run({ source, index, kvFormat: wideCache, advance: true });
  }

  [Symbol.dispose](): void {
    for (const hessian of this.#hessians.values()) hessian[Symbol.dispose]();
  }
}

/** Nothing quantized. Nor is the input of `down` transformed: by which groups depends on the format it is to get. */
function plainOf(recipe: Recipe): Recipe {
  return {
    ...withPrecision(recipe, { weight: 'none', activation: 'none' }),
    transforms: { ...recipe.transforms, downHadamard: false },
  };
}

/** What x^T x is once the rows x have been transformed. */
function hadamardHessian(hessian: Tensor, options: { backend: Backend; recipe: Recipe }): Tensor {
  const { backend } = options;
  using rows = backend.allocate('f32', hessian.shape);
  rows.f32().set(hessian.f32());
  mirror(rows);
  hadamardDown(rows, options);
  const both = transposed(backend, rows);
  hadamardDown(both, options);
  return both;
}

/** Puts the weights of an input back as they are now, once disposed. */
function restoring(weights: LayerWeights, input: LinearInput): Disposable {
  const tensors = linearsOf[input].map((name) => weights.matrices[name]);
  const before = tensors.map((tensor) => tensor.f32().slice());
  return {
    [Symbol.dispose]() {
      for (const [i, tensor] of tensors.entries()) tensor.f32().set(before[i]!);
    },
  };
}

function toRotated({ rotation }: Quantizer, plain: Tensor, rotated: Tensor): void {
  if (rotation) rotation.turn(plain, rotated);
  else rotated.f32().set(plain.f32());
}

function toPlain({ rotation }: Quantizer, rotated: Tensor, plain: Tensor): void {
  if (rotation) rotation.turnBack(rotated, plain);
  else plain.f32().set(rotated.f32());
}
