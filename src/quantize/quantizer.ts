// The pipeline: a checkpoint in, quantized layers out, one at a time, with memory bounded by one layer and the calibration
// tokens. What is done with a layer (kept for simulation, packed and written) is the caller's business.
import type { Backend } from '../backend/backend.ts';
import type { KvFormat } from '../backend/formats.ts';
import type { Tensor } from '../backend/tensor.ts';
import type { Checkpoint } from '../checkpoint/open-checkpoint.ts';
import { floatsOf, loadMatrix } from '../model/checkpoint-tensors.ts';
import type { LayerSource, LinearGroup, LinearInput, ModelSource } from '../model/model-source.ts';
import { plainSource } from '../model/plain-source.ts';
import { requireRunning } from './interruption.ts';
import { LayerRunner } from './layer-runner.ts';
import { LayerWeights } from './layer-weights.ts';
import { scaleColumns } from './matrix.ts';
import { type Precision, withPrecision } from './precision.ts';
import {
  type ChannelOrders,
  hadamardDown,
  layerSource,
  reorderLayer,
  transformLayer,
} from './prepare-layer.ts';
import { linearInputs, measureProfile, type Profile } from './profile.ts';
import { type QuantizedLinear, type RoundedLayer, roundLayer } from './quantize-layer.ts';
import { roundPlain } from './quantize-matrix.ts';
import { type Recipe, requireFitsModel } from './recipe.ts';
import { migrateLayer } from './transforms/migrate-layer.ts';
import { seededRandom } from './transforms/orthogonal.ts';
import { Rotation } from './transforms/rotation.ts';

export type QuantizeStage = 'profile' | 'sensitivity' | 'quantize';

export interface QuantizeOptions {
  readonly backend: Backend;
  readonly recipe: Recipe;
  /** Calibration windows of token ids, all of one length. */
  readonly samples: readonly Int32Array[];
  /** Of the rotation's random part; the same seed gives the same bits. */
  readonly seed?: number;
  /** Formats that differ from the recipe's, by layer and input. */
  readonly precision?: Precision;
  /** Measured before; by default it is measured here. */
  readonly profile?: Profile;
  readonly onProgress?: (stage: QuantizeStage, done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

export interface PreparedLayer extends Disposable {
  readonly weights: LayerWeights;
  readonly orders: ChannelOrders;
  /** The layer as the decoder takes it, with each input quantized as its recipe has it; it reads `weights`. */
  readonly sourceOf: (recipeOf: (input: LinearInput) => Recipe) => LayerSource;
}

export interface QuantizedLayer extends Disposable {
  readonly index: number;
  readonly weights: LayerWeights;
  readonly orders: ChannelOrders;
  /** The layer as the decoder simulates it; it reads `weights`. */
  readonly source: LayerSource;
  /** Empty when the layer was restored. */
  readonly linears: readonly QuantizedLinear[];
  readonly meanSquares: RoundedLayer['meanSquares'];
  readonly restored: boolean;
  readonly seconds: number;
}

/** Fills a layer's prepared weights with the values that an earlier run rounded them to, and says whether it did. */
export type Restore = (index: number, weights: LayerWeights) => boolean;

export class Quantizer implements Disposable {
  readonly profile: Profile;
  readonly kvFormat: KvFormat;
  /** (vocab, hidden) f32 when the residual was turned, else the checkpoint's own. */
  readonly embedding: Tensor;
  readonly finalNorm: Tensor;
  readonly lmHead: LinearGroup;
  /** Whether embedding and head were changed, so that they are tied no longer. */
  readonly turned: boolean;
  readonly #options: QuantizeOptions;
  readonly #source: ModelSource;
  readonly #rotation: Rotation | undefined;
  readonly #owned: Tensor[] = [];

  /** Measures the profile. Throws `bad-option` for a recipe that does not fit, `cancelled`. */
  static async open(checkpoint: Checkpoint, options: QuantizeOptions): Promise<Quantizer> {
    const { backend, recipe, samples, onProgress, signal } = options;
    requireFitsModel(recipe, checkpoint.config);
    const source = plainSource(checkpoint, { backend, compute: 'f32' });
    const profile =
      options.profile ??
      (await measureProfile(source, {
        backend,
        samples,
        residual: recipe.transforms.rotateResidual,
        ...(onProgress && { onProgress: (done, total) => onProgress('profile', done, total) }),
        ...(signal && { signal }),
      }));
    return new Quantizer(source, profile, options);
  }

  private constructor(source: ModelSource, profile: Profile, options: QuantizeOptions) {
    const { backend, recipe, seed = 0 } = options;
    this.#source = source;
    this.#options = options;
    this.profile = profile;
    this.kvFormat = simulatedCache(recipe);
    this.turned = recipe.transforms.rotateResidual;
    this.#rotation = this.turned
      ? new Rotation(backend, {
          covariance: profile.residual!,
          outliers: recipe.outliers.channels,
          random: seededRandom(seed),
        })
      : undefined;
    this.finalNorm = this.#rotation ? this.#ones(source.finalNorm.size) : source.finalNorm;
    this.embedding = this.#rotation ? this.#turn(source.embedding) : source.embedding;
    this.lmHead = this.#rotation
      ? {
          ...source.lmHead,
          sources: source.lmHead.sources.map(({ weight }) => ({
            kind: 'dense',
            weight: this.#turn(weight, source.finalNorm),
            compute: 'f32',
          })),
        }
      : source.lmHead;
  }

  get config() {
    return this.#source.config;
  }

  /** The checkpoint's own layers and head. */
  get source(): ModelSource {
    return this.#source;
  }

  /** How the residual stream was turned, if it was. */
  get rotation(): Rotation | undefined {
    return this.#rotation;
  }

  /** Layer after layer; each belongs to the caller. `restore` takes over what an earlier run has done. */
  async *layers({ restore }: { restore?: Restore } = {}): AsyncGenerator<QuantizedLayer> {
    const { backend, samples, onProgress, signal } = this.#options;
    const { config, embedding } = this.#source;
    using runner = new LayerRunner({
      backend,
      config,
      embedding: this.#rotation ? this.embedding : embedding,
      samples,
    });
    for (let index = 0; index < config.numLayers; index++) {
      requireRunning(signal);
      const started = performance.now();
      const layer = this.#quantize(index, runner, restore);
      onProgress?.('quantize', index + 1, config.numLayers);
      yield { ...layer, seconds: (performance.now() - started) / 1000 };
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  [Symbol.dispose](): void {
    for (const tensor of this.#owned) tensor[Symbol.dispose]();
    this.#rotation?.[Symbol.dispose]();
    this.#source[Symbol.dispose]();
  }

  #quantize(
    index: number,
    runner: LayerRunner,
    restore: Restore | undefined,
  ): Omit<QuantizedLayer, 'seconds'> {
    const { backend, recipe, precision } = this.#options;
    const recipeOf = (input: LinearInput) => withPrecision(recipe, precision?.[index]?.[input]);
    const { weights, orders, sourceOf, ...prepared } = this.prepare(index, { runner, recipeOf });
    const source = sourceOf(recipeOf);
    const { kvFormat } = this;
    const restored = restore?.(index, weights) ?? false;
    if (restored) runner.run({ source, index, kvFormat, advance: true });
    const { linears, meanSquares }: RoundedLayer = restored
      ? { linears: [], meanSquares: {} }
      : roundLayer(weights, { backend, runner, source, index, kvFormat, recipeOf });
    return { ...prepared, index, weights, orders, source, linears, meanSquares, restored };
  }

  /** A layer transformed and in its final order, nothing rounded yet. Migration of scales reads the runner's tokens. */
  prepare(
    index: number,
    { runner, recipeOf }: { runner: LayerRunner; recipeOf: (input: LinearInput) => Recipe },
  ): PreparedLayer {
    const { backend, recipe } = this.#options;
    const { config } = this.#source;
    const profile = this.profile.layers[index]!;
    const weights = new LayerWeights(backend, this.#source.layer(index));
    if (recipe.transforms.migration !== 'none') {
      migrateLayer(weights, { backend, recipe, config, runner, index, profile, rows: this.profile.rows });
    }
    const orders = transformLayer(weights, { recipe, config, profile, rotation: this.#rotation });
    reorderLayer(weights, orders);
    hadamardDown(weights.matrices.down, { backend, recipe: recipeOf('down') });
    const tensors: Partial<Record<LinearInput, Tensor>> = {};
    for (const input of linearInputs) {
      const order = orders[input];
      if (!order) continue;
      const tensor = backend.allocate('i32', [order.length]);
      tensor.i32().set(order);
      tensors[input] = tensor;
    }
    return {
      weights,
      orders,
      sourceOf: (recipeOf) => layerSource(weights, { orders: tensors, recipeOf }),
      [Symbol.dispose]() {
        weights[Symbol.dispose]();
        for (const tensor of Object.values(tensors)) tensor[Symbol.dispose]();
      },
    };
  }

  #ones(size: number): Tensor {
    const tensor = this.#options.backend.allocate('f32', [size]);
    tensor.f32().fill(1);
    this.#owned.push(tensor);
    return tensor;
  }

  /** A table of rows (vocab, hidden), times the gains if there are any, turned with the residual, as it will be stored. */
  #turn(table: Tensor, gains?: Tensor): Tensor {
    const { backend } = this.#options;
    using rows = loadMatrix(backend, table);
    if (gains) scaleColumns(rows, floatsOf(gains));
    const out = backend.allocate('f32', table.shape);
    this.#owned.push(out);
    this.#rotation!.turn(rows, out);
    roundPlain(out);
    return out;
  }
}

function simulatedCache({ kv }: Recipe): KvFormat {
  const { keyBits, valueBits, keyBeforeRope, keyHadamard, clip } = kv;
  if (keyBits === 16 && valueBits === 16) return { keyBits: 32, valueBits: 32, keyHadamard };
  return { keyBits, valueBits, simulated: true, keyBeforeRope, keyHadamard, clip };
}
