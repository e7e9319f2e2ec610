// What a serving engine takes and gives, in the words of its callers. No logic.
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import type { SamplingOptions } from './sampling-options.ts';

export type Grammar =
  | { readonly type: 'json' }
  | { readonly type: 'json-schema'; readonly schema: object | boolean }
  /**
   * xgrammar's structural tags: fixed text, schemas, and tags that a trigger begins. Beside them there is
   * `{type: 'repeated', content, separator}`: one or more of the content.
   */
  | { readonly type: 'structural-tag'; readonly format: object }
  | { readonly type: 'regex'; readonly pattern: string }
  /** GBNF-like rules, the first named `root`. */
  | { readonly type: 'ebnf'; readonly rules: string };

/** What is left out takes the model's own generation settings, else changes nothing. */
export interface GenerateRequest extends SamplingOptions {
  /** Token ids, at least one. */
  readonly prompt: ArrayLike<number>;
  /** Answers wanted, default 1. They share the prompt's work. */
  readonly n?: number;
  /** Longest answer; by default as long as there is room. 0 only scores the prompt. */
  readonly maxTokens?: number;
  /** Nothing ends an answer before it has so many tokens. */
  readonly minTokens?: number;
  /** Texts that end an answer, across the borders of tokens; they are not part of it unless `includeStopInText`. */
  readonly stop?: readonly string[];
  readonly includeStopInText?: boolean;
  /** Tokens that end an answer, beside the model's own. */
  readonly stopTokenIds?: readonly number[];
  /** Go on past the model's own end tokens. */
  readonly ignoreEos?: boolean;
  /** Leave special tokens out of the text, default true. */
  readonly skipSpecialTokens?: boolean;
  /** The answer goes on in the prompt's sentence, instead of being a text of its own: a leading space then stays. */
  readonly continuesPrompt?: boolean;
  /** Name so many of the most probable tokens beside each one sampled, and how probable that was. */
  readonly logprobs?: number;
  /** The same for the tokens of the prompt. */
  readonly promptLogprobs?: number;
  /** What the answer must match. */
  readonly grammar?: Grammar;
  /** Requests of higher priority go first; default 0. */
  readonly priority?: number;
}

export interface TopLogprob {
  readonly tokenId: number;
  readonly logprob: number;
}

export interface TokenLogprob {
  readonly tokenId: number;
  /** Natural logarithm of the probability that the model gives the token, before anything changes its logits. */
  readonly logprob: number;
  /** 1 for the most probable token; equals share a rank. */
  readonly rank: number;
  /** The most probable tokens, the first of them first; then the token itself, where it is not one of them. */
  readonly topLogprobs: readonly TopLogprob[];
}

export interface TokenEvent {
  readonly type: 'token';
  /** Which of the request's answers. */
  readonly index: number;
  readonly tokenId: number;
  /** Text that has become certain; often none, and none for a token that ends the answer. */
  readonly text: string;
  readonly logprob?: number;
  readonly topLogprobs?: readonly TopLogprob[];
}

export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Tokens of the prompt that were in the cache. */
  readonly cachedTokens: number;
  readonly queueSeconds: number;
  readonly prefillSeconds: number;
  readonly decodeSeconds: number;
}

export interface FinishEvent {
  readonly type: 'finish';
  readonly index: number;
  readonly reason: 'stop' | 'length';
  /** Text that was held back. */
  readonly text: string;
  readonly usage: Usage;
}

export interface PromptLogprobsEvent {
  readonly type: 'prompt-logprobs';
  /** One per token of the prompt; null for the first, which nothing comes before. */
  readonly logprobs: readonly (TokenLogprob | null)[];
}

export type GenerateEvent = PromptLogprobsEvent | TokenEvent | FinishEvent;

/** Counts since the start, but for the first four, which are of the moment. */
export interface EngineStats {
  readonly running: number;
  readonly waiting: number;
  readonly kvBlocksTotal: number;
  readonly kvBlocksUsed: number;
  readonly promptTokens: number;
  readonly generationTokens: number;
  readonly preemptions: number;
  /** Tokens of prompts that were looked up in the cache, and how many of them were there. */
  readonly prefixCacheQueries: number;
  readonly prefixCacheHits: number;
  readonly steps: number;
  /** Tokens that the steps ran, guesses among them. */
  readonly stepTokens: number;
  /** Times that tokens were guessed ahead, how many were, and how many of these became tokens of an answer. */
  readonly drafts: number;
  readonly draftTokens: number;
  readonly acceptedTokens: number;
}

/** Bits of one linear, as `W4A4`. */
export interface LayerPrecision {
  readonly name: string;
  /** What the checkpoint asks for. */
  readonly declared: string;
  /** What the kernels do. */
  readonly executed: string;
}

/** The cache of keys and values. */
export interface CacheInfo {
  readonly blocks: number;
  /** Tokens of a block. */
  readonly blockSize: number;
  /** As `int4` or `bfloat16`. */
  readonly type: string;
  /** Whether computed prompts are kept for later ones that begin alike. */
  readonly prefixCache: boolean;
}

export interface EngineInfo {
  /** Longest prompt and answer together. */
  readonly maxModelLen: number;
  readonly vocabSize: number;
  /** Most sequences that run together. */
  readonly maxBatch: number;
  /** The precision of each linear; absent where the engine does not tell. */
  readonly layers?: readonly LayerPrecision[];
  readonly cache?: CacheInfo;
  /** What a log or a page about the server may show of the model and its memory. */
  readonly summary?: Readonly<Record<string, string | number>>;
}

/** `Engine` is one; tests of the server write others. */
export interface ServingEngine {
  readonly info: EngineInfo;
  /** The engine has died; every request then fails. */
  readonly failed: boolean;
  readonly tokenizer: Tokenizer;
  /** Ends after a finish event for each answer. Ending the iteration early, or the signal, cancels the request. */
  generate(request: GenerateRequest, options?: { signal?: AbortSignal }): AsyncIterable<GenerateEvent>;
  stats(): EngineStats;
  /** Calls `listener` after every step of the engine, with the counts so far. */
  onStep(listener: (stats: EngineStats) => void): void;
  close(): Promise<void>;
}
