// Stage two of the pipeline: which layers and inputs get how many bits. Each choice's harm is measured (sensitivity.ts),
// then the budget is spent where it helps most (bit-budget.ts). That critical layers stay high is the outcome; no layer is
// named here. A mix that gains next to nothing over the same bits throughout gives way to them.
import type { Checkpoint } from '../checkpoint/open-checkpoint.ts';
import { AtomError } from '../errors.ts';
import type { LinearInput } from '../model/model-source.ts';
import { spendBits } from './bit-budget.ts';
import { type InputPrecision, type Precision, uniformPrecision, withPrecision } from './precision.ts';
import { linearInputs, type Profile } from './profile.ts';
import { type QuantizeOptions, Quantizer } from './quantizer.ts';
import { bitsOf, type Recipe, requireFits } from './recipe.ts';
import { measureSensitivity, type Sensitivity } from './sensitivity.ts';
import { averageBitsOf, linearShapes, weightBits } from './storage-bits.ts';

export interface ChoosePrecisionOptions extends QuantizeOptions {
  /** Bits per weight of the linears, scales and outliers counted. */
  readonly budget: number;
  /** Formats to choose from, by default `defaultCandidates` of the recipe. */
  readonly candidates?: readonly InputPrecision[];
  /** Most windows, taken from the end of the samples, that losses are measured on instead of calibrating; by default 4. */
  readonly heldOut?: number;
}

/** Why one input of one layer got its formats. */
export interface InputChoice {
  readonly layer: number;
  readonly input: LinearInput;
  readonly formats: InputPrecision;
  /** Bits of a weight's code -> nats per token that the model loses when this input alone gets them. */
  readonly sensitivity: Readonly<Record<string, number>>;
  readonly reason: string;
}

export interface PrecisionChoice {
  readonly precision: Precision;
  readonly averageBits: number;
  /** Nats per token: the sum of what each choice costs by itself. */
  readonly loss: number;
  /** The best that the same formats throughout could do, when they fit the budget. */
  readonly uniform?: { readonly formats: InputPrecision; readonly loss: number };
  /** Layer by layer, inputs in the layer's order. */
  readonly choices: readonly InputChoice[];
  /** Measured on all samples; `simulate` and others take it over. */
  readonly profile: Profile;
}

const defaultHeldOut = 4;
/** A mix must save this share of the uniform choice's loss: below it, differences drown in the noise of rounding. */
const worthwhile = 0.05;

/**
 * Weights of three, four and eight bits. Where the recipe has activations in the weights' format they rise with the
 * weights, and never fall below the recipe's: fewer bits would save no storage, and three no time.
 */
export function defaultCandidates({ weight, activation }: Recipe): readonly InputPrecision[] {
  const four = bitsOf(weight.format) === 4 ? weight.format : 'int4';
  const rises = activation.format === weight.format;
  return (['int3', four, 'int8'] as const).map((format) => ({
    weight: format,
    activation: rises && bitsOf(format) > bitsOf(activation.format) ? format : activation.format,
  }));
}

/**
 * Throws `bad-option` when no choice fits the budget or a candidate does not fit the model, `cancelled`. The same samples
 * and seed give the same choices.
 */
export async function choosePrecision(
  checkpoint: Checkpoint,
  options: ChoosePrecisionOptions,
): Promise<PrecisionChoice> {
  const { recipe, budget, samples, onProgress } = options;
  const { config } = checkpoint;
  const candidates = options.candidates ?? defaultCandidates(recipe);
  const shapes = linearShapes(config);
  for (const formats of candidates) {
    const channels = linearInputs.map((input) => shapes[input].inputs);
    requireFits(withPrecision(recipe, formats), channels);
  }
  requireAffordable(budget, { least: leastBits(checkpoint, recipe, candidates), candidates });
  using quantizer = await Quantizer.open(checkpoint, options);
  const split = heldOutFrom(samples, options.heldOut ?? defaultHeldOut);
  const sensitivity = await measureSensitivity(quantizer, {
    ...options,
    candidates,
    calibration: samples.slice(0, split || 1),
    heldOut: samples.slice(split),
    onProgress: (done, total) => onProgress?.('sensitivity', done, total),
  });
  return { ...spend(checkpoint, { recipe, candidates, sensitivity, budget }), profile: quantizer.profile };
}

/** The choice that measured losses lead to. */
export function spend(
  { config }: Pick<Checkpoint, 'config'>,
  measured: {
    readonly recipe: Recipe;
    readonly candidates: readonly InputPrecision[];
    readonly sensitivity: Sensitivity;
    readonly budget: number;
  },
): Omit<PrecisionChoice, 'profile'> {
  const { recipe, candidates, sensitivity, budget } = measured;
  const shapes = linearShapes(config);
  const items = sensitivity.flatMap((losses, layer) =>
    linearInputs.map((input) => ({
      layer,
      input,
      choices: candidates.map((formats, i) => ({
        formats,
        bits: weightBits(shapes[input], withPrecision(recipe, formats)),
        loss: losses[input][i]!,
      })),
    })),
  );
  type Option = (typeof items)[number]['choices'][number];
  const sumOf = (options: readonly Option[], what: 'bits' | 'loss') =>
    options.reduce((sum, option) => sum + option[what], 0);
  const weights = linearInputs.reduce((sum, input) => sum + shapes[input].inputs * shapes[input].outputs, 0);
  // Bits are whole numbers: a budget that says the average exactly must not fail by its last digit.
  const bits = budget * weights * config.numLayers + 0.5;
  const picked = spendBits(
    items.map(({ choices }) => choices),
    bits,
  );
  if (!picked) throw new AtomError('bad-option', `no choice fits ${budget} bits per weight`);
  const mix = items.map(({ choices }, i) => choices[picked[i]!]!);
  const uniform = candidates
    .map((_, i) => items.map(({ choices }) => choices[i]!))
    .filter((options) => sumOf(options, 'bits') <= bits)
    .sort((a, b) => sumOf(a, 'loss') - sumOf(b, 'loss'))[0];
  const saved = uniform ? 1 - sumOf(mix, 'loss') / sumOf(uniform, 'loss') : 1;
  const chosen = uniform && saved < worthwhile ? uniform : mix;
  const loss = sumOf(chosen, 'loss');
  const precision = uniformPrecision(config.numLayers, candidates[0]!).map((layer) => ({ ...layer }));
  for (const [i, { layer, input }] of items.entries()) precision[layer]![input] = chosen[i]!.formats;
  return {
    precision,
    averageBits: averageBitsOf(config, recipe, precision),
    loss,
    ...(uniform && { uniform: { formats: uniform[0]!.formats, loss: sumOf(uniform, 'loss') } }),
    choices: items.map(({ layer, input, choices }, i) => ({
      layer,
      input,
      formats: chosen[i]!.formats,
      sensitivity: Object.fromEntries(choices.map((choice) => [bitsOf(choice.formats.weight), choice.loss])),
      reason:
        chosen === uniform && uniform !== mix
          ? `the same throughout: a mix of as many bits would lose only ${percent(saved)} less`
          : reasonFor(chosen[i]!, choices, { loss, bits: sumOf(chosen, 'bits') }),
    })),
  };
}

interface Priced {
  readonly formats: InputPrecision;
  readonly bits: number;
  readonly loss: number;
}

/** What fewer bits would have cost, and what more would have brought. */
function reasonFor(
  chosen: Priced,
  choices: readonly Priced[],
  total: { readonly loss: number; readonly bits: number },
): string {
  const byBits = [...choices].sort((a, b) => a.bits - b.bits);
  const lower = byBits.filter(({ bits }) => bits < chosen.bits).at(-1);
  const higher = byBits.find(({ bits }) => bits > chosen.bits);
  const phrases: string[] = [];
  if (lower) {
    const added = percent((lower.loss - chosen.loss) / total.loss);
    phrases.push(`${nameOf(lower, choices)} would add ${added} to the loss`);
  }
  if (higher) {
    const off = percent((chosen.loss - higher.loss) / total.loss);
    const more = percent((higher.bits - chosen.bits) / total.bits);
    phrases.push(`${nameOf(higher, choices)} would take off ${off} for ${more} more bits`);
  }
  return phrases.join(', ') || 'the only choice';
}

/** By its weights alone, unless two choices have the same. */
function nameOf({ formats: { weight, activation } }: Priced, choices: readonly Priced[]): string {
  const alike = choices.filter(({ formats }) => formats.weight === weight);
  return (alike.length === 1 ? weight : `${weight}/${activation}`).toUpperCase();
}

function percent(share: number): string {
  const value = 100 * share;
  return `${value.toFixed(Math.abs(value) < 10 ? 1 : 0)} %`;
}

function leastBits({ config }: Checkpoint, recipe: Recipe, candidates: readonly InputPrecision[]): number {
  const averages = candidates.map((formats) => averageBitsOf(config, withPrecision(recipe, formats)));
  return Math.min(...averages);
}

function requireAffordable(
  budget: number,
  { least, candidates }: { least: number; candidates: readonly InputPrecision[] },
): void {
  if (candidates.length === 0) throw new AtomError('bad-option', 'there are no formats to choose from');
  if (budget >= least - 1e-6) return;
  throw new AtomError(
    'bad-option',
    `a budget of ${budget} bits per weight cannot be met: with scales and outliers the smallest formats take ${least.toFixed(2)}; raise --bits-budget, or give larger groups or fewer outliers`,
  );
}

/** Where the held-out windows begin: never more than a quarter of them. A single window has to serve for both. */
function heldOutFrom(samples: readonly Int32Array[], most: number): number {
  if (samples.length === 1) return 0;
  return samples.length - Math.max(1, Math.min(most, Math.floor(samples.length / 4)));
}
