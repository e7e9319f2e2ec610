// The decoder: embedding, layers, final norm, language-model head, over any backend.
// It knows operators and their order; it must not know requests, sampling, or where weights came from.
import type { Backend, Batch, KvCache } from '../backend/backend.ts';
import type { ActivationFormat, WeightFormat } from '../backend/formats.ts';
import type { Tensor } from '../backend/tensor.ts';
import type { ModelConfig } from '../checkpoint/model-config.ts';
import { AtomError } from '../errors.ts';
import { type DecoderContext, DecoderLayer } from './decoder-layer.ts';
import { activationRequest, LinearLayer } from './linear-layer.ts';
import type { LinearInput, ModelSource } from './model-source.ts';
import { createRopeTables, type RopeTables } from './rope.ts';
import { Workspace } from './workspace.ts';

export interface ModelOptions {
  readonly backend: Backend;
  /** Rows of the largest step. */
  readonly maxTokens: number;
  /** Rows of the largest call for logits; by default 64, or maxTokens if that is less. */
  readonly maxOutputs?: number;
  /** Longest context that will be served, by default the checkpoint's own. */
  readonly maxPositions?: number;
}

export interface ForwardStep {
  readonly batch: Batch;
  readonly cache: KvCache;
  /** (numOutputs) i32: rows of the batch whose logits are wanted. */
  readonly outputRows: Tensor;
  readonly numOutputs: number;
}

/** What the linears of one input run in; without layer and input it is the language-model head. */
export interface LinearFormats {
  readonly layer?: number;
  readonly input?: LinearInput;
  readonly weight: WeightFormat;
  readonly activation: ActivationFormat;
}

export class Model implements Disposable {
  readonly config: ModelConfig;
  readonly maxTokens: number;
  readonly maxPositions: number;
  readonly maxOutputs: number;
  readonly #backend: Backend;
  readonly #source: ModelSource;
  readonly #workspace: Workspace;
  readonly #rope: RopeTables;
  readonly #layers: DecoderLayer[] = [];
  readonly #lmHead: LinearLayer;

  /** Takes over `source` and disposes it with the model. */
  constructor(source: ModelSource, options: ModelOptions) {
    const { backend, maxTokens, maxOutputs = Math.min(maxTokens, 64) } = options;
    const { config } = source;
    this.config = config;
    this.maxTokens = maxTokens;
    this.maxOutputs = maxOutputs;
    this.maxPositions = Math.min(options.maxPositions ?? config.maxPositions, config.maxPositions);
    this.#backend = backend;
    this.#source = source;

    const layers = Array.from({ length: config.numLayers }, (_, index) => source.layer(index));
    const groups = [...layers.flatMap((layer) => Object.values(layer.linears)), source.lmHead];
    const activations = groups.map(activationRequest);
    this.#workspace = new Workspace({ backend, config, maxTokens, maxOutputs, activations });
    this.#rope = createRopeTables(backend, config, this.maxPositions);
    const context: DecoderContext = { backend, config, workspace: this.#workspace, rope: this.#rope };
    for (const [index, layer] of layers.entries()) {
      this.#layers.push(new DecoderLayer({ context, source: layer, index }));
    }
    this.#lmHead = new LinearLayer({ backend, workspace: this.#workspace, group: source.lmHead });
  }

  /** Bytes of all weights that a step reads. */
  get weightBytes(): number {
    const layers = this.#layers.flatMap((layer) => Object.values(layer.linears));
    return [...layers, this.#lmHead].reduce((sum, { weight }) => sum + weight.byteLength, 0);
  }

  /** In what formats the linears run, four groups a layer and the language-model head last. */
  get linearFormats(): readonly LinearFormats[] {
    const of = ({ weight, input }: LinearLayer) => ({ weight: weight.format, activation: input.format });
    const layers = this.#layers.flatMap(({ linears }, layer) =>
      Object.entries(linears).map(([name, linear]) => ({ layer, input: name as LinearInput, ...of(linear) })),
    );
    return [...layers, of(this.#lmHead)];
  }

  /** A cache for this model; the caller disposes it. */
  createKvCache({ blockSize, numBlocks }: { blockSize: number; numBlocks: number }): KvCache {
    const { numKvHeads, headDim } = this.config;
    return this.#backend.createKvCache({
      formats: this.#source.kvFormats,
      numKvHeads,
      headDim,
      blockSize,
      numBlocks,
    });
  }

  /** All rows of the batch through the decoder, and logits of the rows asked for, as `logits` returns them. */
  forward({ batch, cache, outputRows, numOutputs }: ForwardStep): Tensor {
    this.run({ batch, cache });
    return this.logits({ outputRows, numOutputs });
  }

  /**
   * All rows of the batch through the layers, up to the last layer's MLP: no other row looks at what that makes of one, so
   * `logits` runs it for the rows it is asked for alone. Most rows of a prompt are spared it.
   */
  run({ batch, cache }: Pick<ForwardStep, 'batch' | 'cache'>): void {
    if (batch.numTokens > this.maxTokens) {
      throw new AtomError(
        'bad-shape',
        `a step of ${batch.numTokens} rows was given to a model made for ${this.maxTokens}`,
      );
    }
    const { hidden } = this.#workspace;
    this.#backend.together(() => {
      this.#backend.embed({
        table: this.#source.embedding,
        tokenIds: batch.tokenIds,
        out: hidden,
        tokens: batch.numTokens,
      });
      const last = this.#layers.length - 1;
      for (const [layer, decoder] of this.#layers.entries()) {
        const step = { hidden, batch, cache, layer };
        if (layer < last) decoder.run(step);
        else decoder.runAttention(step);
      }
    });
  }

  /** Logits of rows of the last `run`: (numOutputs, vocab) f32, valid until the next call. */
  logits({ outputRows, numOutputs }: Pick<ForwardStep, 'outputRows' | 'numOutputs'>): Tensor {
    if (numOutputs > this.maxOutputs) {
      throw new AtomError(
        'bad-shape',
        `logits of ${numOutputs} rows were asked of a model made for ${this.maxOutputs}`,
      );
    }
    const { hidden, outputs, logits } = this.#workspace;
    this.#backend.together(() => {
      this.#backend.embed({ table: hidden, tokenIds: outputRows, out: outputs, tokens: numOutputs });
      this.#layers.at(-1)?.runMlp({ hidden: outputs, tokens: numOutputs });
      this.#backend.rmsNorm({
        x: outputs,
        weight: this.#source.finalNorm,
        epsilon: this.config.rmsNormEps,
        out: this.#lmHead.input,
        tokens: numOutputs,
      });
      this.#lmHead.run(logits, numOutputs);
    });
    return logits.rows(0, numOutputs);
  }

  [Symbol.dispose](): void {
    for (const layer of this.#layers) layer[Symbol.dispose]();
    this.#lmHead[Symbol.dispose]();
    this.#rope[Symbol.dispose]();
    this.#workspace[Symbol.dispose]();
    this.#source[Symbol.dispose]();
  }
}
