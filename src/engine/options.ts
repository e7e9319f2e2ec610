// How an engine is set up. What is left out is chosen from the machine's memory and the model (sizing.ts).

export interface EngineOptions {
  /** Bytes for keys and values; by default half of the memory that is available beside the weights. */
  readonly kvMemory?: number;
  /** Most sequences that run together, default 64. */
  readonly maxBatch?: number;
  /** Longest prompt and answer together; by default the model's, or what the cache holds. */
  readonly maxModelLen?: number;
  /** Most tokens of a step: long steps serve prompts sooner, short ones let answers flow more evenly. Default 256. */
  readonly maxStepTokens?: number;
  /** Arithmetic of a plain checkpoint, default bf16. */
  readonly compute?: 'f32' | 'bf16';
  /** Threads of the kernels, by default one per physical core, one fewer for models of a few megabytes. */
  readonly threads?: number;
  /** Tokens of a cache block, a multiple of 16; default 32. */
  readonly blockSize?: number;
  /** Keep computed prompts for later ones that begin alike, default true. */
  readonly prefixCache?: boolean;
  /**
   * Guess up to so many tokens ahead from what the text has said before, and check them in one step: fewer steps for text
   * that repeats itself, the same tokens always. Default 0, no guessing.
   */
  readonly speculative?: number;
  /** Answers that may wait beyond those that run; more are refused with `queue-full`. Default 1024. */
  readonly maxQueue?: number;
}

export const defaultMaxQueue = 1024;
