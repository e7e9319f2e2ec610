// What the unquantized model's numbers look like on the calibration text, layer by layer: sums per channel of every input
// and every head, and how the residual stream's channels go together. Everything that is decided before a weight is
// rounded (channel order, scales, rotation) is decided from this.
import type { Backend } from '../backend/backend.ts';
import type { Tensor } from '../backend/tensor.ts';
import type { LinearInput, ModelSource } from '../model/model-source.ts';
import { type Bins, Histogram } from './histogram.ts';
import { requireRunning } from './interruption.ts';
import { LayerRunner } from './layer-runner.ts';
import { ChannelStatistics } from './statistics.ts';

/** Sums over all calibration tokens, one entry per channel. */
export interface ChannelSums {
  readonly sumSquares: Float64Array;
  readonly sumMagnitudes: Float64Array;
  readonly peaks: Float32Array;
}

export interface LayerProfile {
  readonly inputs: Readonly<Record<LinearInput, ChannelSums>>;
  /** q and k, both rotated, and v of all heads: ((heads + 2 kvHeads) headDim) sums of squares. */
  readonly heads: Float64Array;
}

/** How the inputs of one layer spread, in units of their root mean square, on the first tokens of the calibration text. */
export interface InputSpread extends Bins {
  readonly layer: number;
  readonly input: LinearInput;
}

export interface Profile {
  readonly rows: number;
  readonly layers: readonly LayerProfile[];
  /** Of the layers that `shownLayers` names. */
  readonly spreads: readonly InputSpread[];
  /** (hidden, hidden): covariance of the normalised residual stream, each layer's inputs with equal weight. */
  readonly residual?: Float64Array;
}

/** The layers that reports draw in detail: the first, the middle and the last. */
export function shownLayers(numLayers: number): readonly number[] {
  return [...new Set([0, Math.floor(numLayers / 2), numLayers - 1])];
}

export const linearInputs: readonly LinearInput[] = ['qkv', 'output', 'gateUp', 'down'];

export interface ProfileOptions {
  readonly backend: Backend;
  /** Calibration windows of token ids, all of one length. */
  readonly samples: readonly Int32Array[];
  /** Whether the residual stream's covariance is wanted, which costs hidden^2 operations per token and input. */
  readonly residual: boolean;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

export async function measureProfile(source: ModelSource, options: ProfileOptions): Promise<Profile> {
  const { backend, samples, onProgress, signal } = options;
  const { config } = source;
  using runner = new LayerRunner({ backend, config, embedding: source.embedding, samples });
  const residual = options.residual ? new Float64Array(config.hiddenSize ** 2) : undefined;
  const layers: LayerProfile[] = [];
  const spreads: InputSpread[] = [];
  const shown = shownLayers(config.numLayers);
  for (let index = 0; index < config.numLayers; index++) {
    requireRunning(signal);
    const layer = source.layer(index);
    const channels = new Map<LinearInput, ChannelStatistics>();
    const products = new Map<LinearInput, Tensor>();
    using heads = new ChannelStatistics(backend, (config.numHeads + 2 * config.numKvHeads) * config.headDim);
    runner.run({
      source: layer,
      index,
      kvFormat: { keyBits: 32, valueBits: 32 },
      advance: true,
      observe: (input, linear, rows) => {
        const { storage } = linear.input;
        if (shown.includes(index) && !channels.has(input)) {
          spreads.push({ layer: index, input, ...spreadOf(storage.rows(0, Math.min(rows, 256)).f32()) });
        }
        const gathered = channels.get(input) ?? new ChannelStatistics(backend, linear.input.channels);
        channels.set(input, gathered);
        gathered.add(storage, rows);
        if (!residual || (input !== 'qkv' && input !== 'gateUp')) return;
        const product =
          products.get(input) ?? backend.allocate('f32', [config.hiddenSize, config.hiddenSize]);
        products.set(input, product);
        backend.syrk({ x: storage, rows, hessian: product });
      },
      observeHeads: (qkv, rows) => heads.add(qkv, rows),
    });
    const sums = (input: LinearInput): ChannelSums => {
      using gathered = channels.get(input)!;
      const { sumSquares, sumMagnitudes, peaks } = gathered;
      return { sumSquares, sumMagnitudes, peaks };
    };
    layers.push({
      inputs: { qkv: sums('qkv'), output: sums('output'), gateUp: sums('gateUp'), down: sums('down') },
      heads: heads.sumSquares,
    });
    for (const [input, product] of products) {
      addCovariance(residual!, product, input === 'qkv' ? layer.attentionNorm : layer.mlpNorm);
      product[Symbol.dispose]();
    }
    for (const { sources } of Object.values(layer.linears)) {
      for (const { weight } of sources) backend.dropPages(weight);
    }
    onProgress?.(index + 1, config.numLayers);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { rows: runner.rows, layers, spreads, ...(residual && { residual }) };
}

function spreadOf(values: Float32Array): Bins {
  let squares = 0;
  for (const value of values) squares += value * value;
  const histogram = new Histogram({ low: -6, high: 6, bins: 96 });
  histogram.add(values, 1 / Math.sqrt(squares / values.length || 1));
  const { edges, counts } = histogram;
  return { edges, counts };
}

/** Adds x^T x without the norm's gains, both triangles, scaled to a trace of 1. */
function addCovariance(sum: Float64Array, product: Tensor, gain: Tensor): void {
  const values = product.f32();
  const n = gain.size;
  const inverse = Float64Array.from(gain.f32(), (g) => (g === 0 ? 0 : 1 / g));
  let trace = 0;
  for (let i = 0; i < n; i++) trace += values[i * n + i]! * inverse[i]! ** 2;
  if (!(trace > 0)) return;
  for (let i = 0; i < n; i++) {
    for (let j = i; j < n; j++) {
      const value = (values[i * n + j]! * inverse[i]! * inverse[j]!) / trace;
      sum[i * n + j]! += value;
      if (i !== j) sum[j * n + i]! += value;
    }
  }
}
