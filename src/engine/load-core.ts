// A folder in, an engine without a thread out: backend, model and cache, sized for the memory that is left.
import { availableMemory } from 'node:process';
import type { Backend } from '../backend/backend.ts';
import { CpuBackend } from '../backend/cpu/cpu-backend.ts';
import { nativeAddon } from '../backend/cpu/native.ts';
import { type Checkpoint, openCheckpoint } from '../checkpoint/open-checkpoint.ts';
import { loadModel } from '../model/load-model.ts';
import type { Model } from '../model/model.ts';
import { EngineCore } from './core.ts';
import type { EngineInfo } from './engine-types.ts';
import { GrammarThread } from './grammar/grammar-thread.ts';
import type { EngineOptions } from './options.ts';
import { cacheType, layerPrecisions, schemeOf } from './precision.ts';
import {
  defaultBatch,
  defaultBlockSize,
  defaultStepTokens,
  describePlan,
  type EnginePlan,
  planEngine,
} from './sizing.ts';

export interface LoadedCore extends Disposable {
  readonly core: EngineCore;
  readonly info: EngineInfo;
  readonly grammars: GrammarThread;
}

/** Throws what `loadModel` and `planEngine` throw. */
export function loadCore(path: string, options: EngineOptions = {}): LoadedCore {
  const { maxBatch = defaultBatch, blockSize = defaultBlockSize, compute = 'bf16', threads } = options;
  const begin = performance.now();
  if (threads !== undefined) nativeAddon().setThreadCount(threads);
  const checkpoint = openCheckpoint(path);
  const { config } = checkpoint;
  const maxTokens = Math.max(maxBatch, options.maxStepTokens ?? defaultStepTokens);
  const maxPositions = Math.min(options.maxModelLen ?? config.maxPositions, config.maxPositions);
  const owned: Disposable[] = [];
  const own = <T extends Disposable>(resource: T): T => {
    owned.unshift(resource);
    return resource;
  };
  const dispose = () => {
    for (const resource of owned) resource[Symbol.dispose]();
  };
  try {
    const backend = own(new CpuBackend());
    const model = own(loadModel(path, { backend, compute, maxTokens, maxOutputs: maxBatch, maxPositions }));
    if (threads === undefined) leaveCoreFree(model);
    const plan = planEngine(
      {
        blockBytes: bytesOfBlock(model, blockSize),
        weightBytes: model.weightBytes,
        availableBytes: availableMemory(),
        maxPositions: model.maxPositions,
      },
      options,
    );
    const { prefixCache = true, speculative = 0 } = options;
    const { vocabSize, eosTokenIds } = config;
    const grammars = own(new GrammarThread({ modelPath: path, vocabSize, eosTokenIds }));
    const core = own(new EngineCore({ model, backend, plan, prefixCache, speculative, grammars }));
    const seconds = (performance.now() - begin) / 1000;
    const info = infoOf({ checkpoint, model, backend, plan, compute, prefixCache, seconds });
    return { core, info, grammars, [Symbol.dispose]: dispose };
  } catch (error) {
    dispose();
    throw error;
  }
}

/** A step of so few weights is over before a second core has joined in; HTTP and the rest have better use for it. */
const worthAllCores = 64 * 2 ** 20;

function leaveCoreFree(model: Model): void {
  const cores = nativeAddon().threadCount();
  if (model.weightBytes < worthAllCores && cores > 1) nativeAddon().setThreadCount(cores - 1);
}

/** All layers; what a cache of one block takes is what each block of a larger one takes. */
function bytesOfBlock(model: Model, blockSize: number): number {
  using cache = model.createKvCache({ blockSize, numBlocks: 1 });
  return cache.byteLength;
}

interface Loaded {
  readonly checkpoint: Checkpoint;
  readonly model: Model;
  readonly backend: Backend;
  readonly plan: EnginePlan;
  readonly compute: 'f32' | 'bf16';
  readonly prefixCache: boolean;
  readonly seconds: number;
}

function infoOf({ checkpoint, model, backend, plan, compute, prefixCache, seconds }: Loaded): EngineInfo {
  const layers = layerPrecisions(checkpoint, model);
  const { maxModelLen, maxBatch, numBlocks, blockSize, kvBytes } = plan;
  return {
    maxModelLen,
    maxBatch,
    vocabSize: model.config.vocabSize,
    layers,
    cache: { blocks: numBlocks, blockSize, type: cacheType(checkpoint, compute), prefixCache },
    summary: {
      architecture: model.config.architecture,
      scheme: schemeOf(checkpoint, layers),
      backend: backend.name,
      threads: nativeAddon().threadCount(),
      weightBytes: model.weightBytes,
      kvBytes,
      kvBlocks: numBlocks,
      kvTokens: numBlocks * blockSize,
      cache: describePlan(plan),
      loadSeconds: Math.round(seconds * 1000) / 1000,
    },
  };
}
