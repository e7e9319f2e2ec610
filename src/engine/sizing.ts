// How many cache blocks, sequences and tokens per step: from the memory that is left and what the model needs.
// Pure arithmetic on numbers; who measures them is the caller's matter.
import { AtomError } from '../errors.ts';
import type { EngineOptions } from './options.ts';

export interface SizingFacts {
  /** Bytes of one cache block, all layers, in the cache's own format. */
  readonly blockBytes: number;
  /** Bytes of weights that each step reads and that must stay in memory. */
  readonly weightBytes: number;
  /** Bytes that the machine can still give to this process, weights not yet counted. */
  readonly availableBytes: number;
  /** Longest context of the checkpoint. */
  readonly maxPositions: number;
}

export interface EnginePlan {
  readonly blockSize: number;
  readonly numBlocks: number;
  readonly kvBytes: number;
  readonly maxModelLen: number;
  readonly maxBatch: number;
  readonly maxStepTokens: number;
}

export const defaultBlockSize = 32;
export const defaultBatch = 64;
export const defaultStepTokens = 256;

/** Throws `out-of-memory` where not even one block fits, `bad-option` where a context was asked for that does not fit. */
export function planEngine(facts: SizingFacts, options: EngineOptions = {}): EnginePlan {
  const { blockSize = defaultBlockSize, maxBatch = defaultBatch } = options;
  const { blockBytes, weightBytes, availableBytes, maxPositions } = facts;
  const wanted = Math.min(options.maxModelLen ?? maxPositions, maxPositions);
  // More than every sequence at its longest is of no use.
  const useful = Math.ceil(wanted / blockSize) * maxBatch;
  const budget =
    options.kvMemory ?? Math.min(Math.max(0, availableBytes - weightBytes) / 2, useful * blockBytes);
  const numBlocks = Math.floor(budget / blockBytes);
  if (numBlocks < 1) {
    throw new AtomError(
      'out-of-memory',
      `a cache of ${gibibytes(budget)} does not hold one block of ${blockSize} tokens, which takes ${gibibytes(blockBytes)}; give more with --kv-memory`,
    );
  }
  const maxModelLen = Math.min(wanted, numBlocks * blockSize);
  if (options.maxModelLen !== undefined && maxModelLen < wanted) {
    throw new AtomError(
      'bad-option',
      `a context of ${wanted} tokens needs ${gibibytes(Math.ceil(wanted / blockSize) * blockBytes)} of cache, but ${gibibytes(numBlocks * blockBytes)} are to be had; shorten --context or give more with --kv-memory`,
    );
  }
  const maxStepTokens = Math.max(maxBatch, options.maxStepTokens ?? defaultStepTokens);
  return { blockSize, numBlocks, kvBytes: numBlocks * blockBytes, maxModelLen, maxBatch, maxStepTokens };
}

/** The plan in one sentence, for logs and `atom inspect`. */
export function describePlan({ kvBytes, numBlocks, blockSize, maxModelLen, maxBatch }: EnginePlan): string {
  const tokens = numBlocks * blockSize;
  const each = Math.floor(tokens / maxBatch);
  const full = Math.floor(tokens / maxModelLen);
  return (
    `${gibibytes(kvBytes)} of KV cache hold ${tokens} tokens: ${full} sequences of the whole context of ${maxModelLen}, ` +
    `or ${maxBatch} of ${Math.min(each, maxModelLen)} tokens each`
  );
}

function gibibytes(bytes: number): string {
  return bytes < 2 ** 30 ? `${(bytes / 2 ** 20).toFixed(1)} MiB` : `${(bytes / 2 ** 30).toFixed(2)} GiB`;
}
