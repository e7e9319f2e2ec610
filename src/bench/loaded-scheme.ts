// A scheme's model in memory, and engines over it with caches of any size. Several may be loaded side by side, so that
// they can be measured in turn; they share the kernels' threads, and run in the caller's.
import { CpuBackend } from '../backend/cpu/cpu-backend.ts';
import { EngineCore } from '../engine/core.ts';
import { defaultStepTokens, type EnginePlan, planEngine } from '../engine/sizing.ts';
import { AtomError } from '../errors.ts';
import { loadModel } from '../model/load-model.ts';
import type { Model } from '../model/model.ts';
import type { Scheme } from './schemes.ts';

const blockSize = 32;

export interface LoadOptions {
  readonly maxBatch: number;
  readonly maxStepTokens?: number;
}

export class LoadedScheme implements Disposable {
  readonly name: string;
  /** Linears, output layer and embedding, in the form that the kernels read. */
  readonly weightBytes: number;
  /** One block of the cache, all layers. */
  readonly blockBytes: number;
  readonly loadSeconds: number;
  readonly maxBatch: number;
  readonly #backend: CpuBackend;
  readonly #model: Model;
  readonly #maxStepTokens: number;

  /** Throws what `loadModel` throws. */
  constructor(
    { name, recipe }: Scheme,
    folder: string,
    { maxBatch, maxStepTokens = defaultStepTokens }: LoadOptions,
  ) {
    const begin = performance.now();
    this.name = name;
    this.maxBatch = maxBatch;
    this.#maxStepTokens = Math.max(maxBatch, maxStepTokens);
    this.#backend = new CpuBackend();
    this.#model = loadModel(folder, {
      backend: this.#backend,
      maxTokens: this.#maxStepTokens,
      maxOutputs: maxBatch,
    });
    const { vocabSize, hiddenSize, tiedEmbeddings } = this.#model.config;
    // A plain output layer that is tied is the embedding itself.
    const embedding = tiedEmbeddings && !recipe ? 0 : 2 * vocabSize * hiddenSize;
    this.weightBytes = this.#model.weightBytes + embedding;
    using cache = this.#model.createKvCache({ blockSize, numBlocks: 1 });
    this.blockBytes = cache.byteLength;
    this.loadSeconds = (performance.now() - begin) / 1000;
  }

  get vocabSize(): number {
    return this.#model.config.vocabSize;
  }

  get maxPositions(): number {
    return this.#model.maxPositions;
  }

  /** Bytes of cache that a sequence of so many tokens takes. */
  sequenceBytes(tokens: number): number {
    return Math.ceil(tokens / blockSize) * this.blockBytes;
  }

  /** Sequences of so many tokens that fit beside the weights; none where the weights do not fit. */
  sequencesIn(memory: number, tokens: number): number {
    return Math.max(0, Math.floor((memory - this.weightBytes) / this.sequenceBytes(tokens)));
  }

  /**
   * An engine whose weights and cache take `memory` bytes together, or less where its largest batch needs no more.
   * Throws `out-of-memory` where no block fits.
   */
  engineIn(memory: number): BenchEngine {
    const { weightBytes, blockBytes, maxPositions, maxBatch } = this;
    const useful = maxBatch * this.sequenceBytes(maxPositions);
    const kvMemory = Math.min(memory - weightBytes, useful);
    if (kvMemory < blockBytes) {
      throw new AtomError(
        'out-of-memory',
        `${this.name} takes ${weightBytes} bytes for its weights and ${blockBytes} for a block of its cache, and has ${memory}; give more with --memory`,
      );
    }
    const plan = planEngine(
      { blockBytes, weightBytes, availableBytes: memory, maxPositions },
      { kvMemory, maxBatch, blockSize, maxStepTokens: this.#maxStepTokens },
    );
    const core = new EngineCore({ model: this.#model, backend: this.#backend, plan });
    return { name: this.name, core, plan, vocabSize: this.vocabSize };
  }

  [Symbol.dispose](): void {
    this.#model[Symbol.dispose]();
    this.#backend[Symbol.dispose]();
  }
}

export interface BenchEngine {
  readonly name: string;
  /** Disposed by whoever asked for the engine. */
  readonly core: EngineCore;
  readonly plan: EnginePlan;
  readonly vocabSize: number;
}
