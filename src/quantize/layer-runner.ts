// Runs decoder layers, one after another, over all calibration samples.
// It holds the samples' hidden states, one layer's cache and at most one input of its linears; what a layer is made of is
// the caller's business, so memory stays bounded by one layer and the hidden states.
import type { Backend, KvCache } from '../backend/backend.ts';
import type { KvFormat } from '../backend/formats.ts';
import type { Tensor } from '../backend/tensor.ts';
import type { ModelConfig } from '../checkpoint/model-config.ts';
import { BatchBuffer } from '../model/batch-buffer.ts';
import { type DecoderContext, DecoderLayer, type LayerStep } from '../model/decoder-layer.ts';
import { activationRequest } from '../model/linear-layer.ts';
import type { LayerSource, LinearInput } from '../model/model-source.ts';
import { createRopeTables, type RopeTables } from '../model/rope.ts';
import { Workspace } from '../model/workspace.ts';

const blockSize = 32;
/** Rows of a step: enough to keep the matrix products busy, few enough to keep their buffers small. */
const rowsPerStep = 2048;
/** An input of all samples is kept for the pass that goes on with it up to so many bytes; else it is computed again. */
const mostKeptBytes = 2 ** 30;

export interface LayerPass extends Pick<LayerStep, 'observe' | 'observeHeads' | 'stopAt' | 'from'> {
  readonly source: LayerSource;
  readonly index: number;
  readonly kvFormat: KvFormat;
  /** The half of the layer to run; without it, both. */
  readonly half?: 'attention' | 'mlp';
  /** Whether the hidden states move on to the output, or stay for another pass over the same input. */
  readonly advance: boolean;
}

/** What a pass stopped at: one input, of all samples. */
interface KeptInput extends Disposable {
  readonly at: 'output' | 'down';
  readonly rows: Tensor; // (samples * sequenceLength, channels) f32
}

export class LayerRunner implements Disposable {
  readonly hidden: Tensor; // (samples * sequenceLength, hidden) f32
  readonly #backend: Backend;
  readonly #config: ModelConfig;
  readonly #rope: RopeTables;
  readonly #samples: readonly Int32Array[];
  readonly #sequenceLength: number;
  readonly #buffer: BatchBuffer;
  #kept: KeptInput | undefined;

  constructor(options: {
    backend: Backend;
    config: ModelConfig;
    embedding: Tensor;
    /** Token ids, all of one length. */
    samples: readonly Int32Array[];
  }) {
    const { backend, config, embedding, samples } = options;
    this.#backend = backend;
    this.#config = config;
    this.#samples = samples;
    this.#sequenceLength = samples[0]!.length;
    this.#rope = createRopeTables(backend, config, this.#sequenceLength);
    this.#buffer = new BatchBuffer(backend, {
      maxTokens: this.#stepRows,
      maxSequences: this.#samplesPerStep,
      maxBlocksPerSequence: this.#blocksPerSample,
    });
    this.hidden = backend.allocate('f32', [samples.length * this.#sequenceLength, config.hiddenSize]);
    for (const step of this.#steps()) {
      const { tokenIds, numTokens } = this.#batch(step);
      const out = this.hidden.rows(step.first * this.#sequenceLength, numTokens);
      backend.embed({ table: embedding, tokenIds, out, tokens: numTokens });
    }
  }

  get rows(): number {
    return this.#samples.length * this.#sequenceLength;
  }

  /**
   * One layer, or half of it, over all samples. A pass `from` an input that the pass before it has stopped at goes on
   * there; the layer's parts that wrote this input must still be the same.
   */
  run({ source, index, kvFormat, half, advance, from, ...watch }: LayerPass): void {
    const backend = this.#backend;
    const config = this.#config;
    const activations = Object.values(source.linears).map(activationRequest);
    using workspace = new Workspace({
      backend,
      config,
      maxTokens: this.#stepRows,
      maxOutputs: 1,
      activations,
    });
    const context: DecoderContext = { backend, config, workspace, rope: this.#rope };
    using layer = new DecoderLayer({ context, source, index });
    using cache = this.#createCache(kvFormat);
    using before = this.#kept;
    const goesOn = from !== undefined && before?.at === from;
    this.#kept = this.#roomFor(layer, watch.stopAt);
    for (const step of this.#steps()) {
      const batch = this.#batch(step);
      const first = step.first * this.#sequenceLength;
      const states = this.hidden.rows(first, batch.numTokens);
      const hidden = workspace.hidden.rows(0, batch.numTokens);
      hidden.bytes().set(states.bytes());
      const kept = ({ rows }: KeptInput) => rows.rows(first, batch.numTokens).bytes();
      const input = ({ at }: KeptInput) => layer.linears[at].input.storage.rows(0, batch.numTokens).bytes();
      if (goesOn) input(before).set(kept(before));
      const work: LayerStep = { hidden, batch, cache, layer: 0, ...watch, ...(goesOn && { from }) };
      if (half !== 'mlp') layer.runAttention(work);
      if (half !== 'attention') layer.runMlp({ ...work, tokens: batch.numTokens });
      if (advance) states.bytes().set(hidden.bytes());
      if (this.#kept) kept(this.#kept).set(input(this.#kept));
    }
  }

  /** Room for the input that a pass is to stop at, where another can go on. */
  #roomFor(layer: DecoderLayer, at: LinearInput | undefined): KeptInput | undefined {
    if (at !== 'output' && at !== 'down') return undefined;
    const { channels } = layer.linears[at].input;
    if (this.rows * channels * 4 > mostKeptBytes) return undefined;
    const rows = this.#backend.allocate('f32', [this.rows, channels]);
    return { at, rows, [Symbol.dispose]: () => rows[Symbol.dispose]() };
  }

  [Symbol.dispose](): void {
    this.#kept?.[Symbol.dispose]();
    this.hidden[Symbol.dispose]();
    this.#rope[Symbol.dispose]();
    this.#buffer[Symbol.dispose]();
  }

  get #samplesPerStep(): number {
    return Math.min(this.#samples.length, Math.max(1, Math.floor(rowsPerStep / this.#sequenceLength)));
  }

  get #stepRows(): number {
    return this.#samplesPerStep * this.#sequenceLength;
  }

  get #blocksPerSample(): number {
    return Math.ceil(this.#sequenceLength / blockSize);
  }

  #createCache(format: KvFormat): KvCache {
    const { numKvHeads, headDim } = this.#config;
    const numBlocks = this.#samplesPerStep * this.#blocksPerSample;
    return this.#backend.createKvCache({ formats: [format], numKvHeads, headDim, blockSize, numBlocks });
  }

  *#steps(): Generator<{ first: number; samples: readonly Int32Array[] }> {
    for (let first = 0; first < this.#samples.length; first += this.#samplesPerStep) {
      yield { first, samples: this.#samples.slice(first, first + this.#samplesPerStep) };
    }
  }

  #batch({ samples }: { samples: readonly Int32Array[] }) {
    const perSample = this.#blocksPerSample;
    return this.#buffer.fill(
      samples.map((tokenIds, slot) => ({
        tokenIds,
        start: 0,
        blocks: Int32Array.from({ length: perSample }, (_, block) => slot * perSample + block),
      })),
    );
  }
}
