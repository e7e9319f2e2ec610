// What the server asks of a serving engine. It moves to src/engine with the engine that implements it.
import type { Tokenizer } from '../tokenizer/tokenizer.ts';

export type Grammar =
  | { readonly type: 'json' }
  | { readonly type: 'json-schema'; readonly schema: object | boolean }
  | { readonly type: 'structural-tag'; readonly format: object };

export interface GenerateRequest {
  readonly prompt: ArrayLike<number>;
  readonly n?: number;
  readonly maxTokens?: number;
  readonly minTokens?: number;
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly repetitionPenalty?: number;
  readonly presencePenalty?: number;
  readonly frequencyPenalty?: number;
  readonly logitBias?: ReadonlyMap<number, number>;
  readonly seed?: number;
  readonly stop?: readonly string[];
  readonly includeStopInText?: boolean;
  readonly stopTokenIds?: readonly number[];
  readonly ignoreEos?: boolean;
  readonly skipSpecialTokens?: boolean;
  readonly logprobs?: number;
  readonly promptLogprobs?: number;
  readonly grammar?: Grammar;
  readonly priority?: number;
}

export interface TopLogprob {
  readonly tokenId: number;
  readonly logprob: number;
}

export interface TokenLogprob {
  readonly tokenId: number;
  readonly logprob: number;
  readonly topLogprobs: readonly TopLogprob[];
}

export interface TokenEvent {
  readonly type: 'token';
  readonly index: number;
  readonly tokenId: number;
  readonly text: string;
  readonly logprob?: number;
  readonly topLogprobs?: readonly TopLogprob[];
}

export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly cachedTokens: number;
  readonly queueSeconds: number;
  readonly prefillSeconds: number;
  readonly decodeSeconds: number;
}

export interface FinishEvent {
  readonly type: 'finish';
  readonly index: number;
  readonly reason: 'stop' | 'length';
  readonly text: string;
  readonly usage: Usage;
}

export interface PromptLogprobsEvent {
  readonly type: 'prompt-logprobs';
  readonly logprobs: readonly (TokenLogprob | null)[];
}

export type GenerateEvent = PromptLogprobsEvent | TokenEvent | FinishEvent;

export interface EngineStats {
  readonly running: number;
  readonly waiting: number;
  readonly kvBlocksTotal: number;
  readonly kvBlocksUsed: number;
  readonly promptTokens: number;
  readonly generationTokens: number;
  readonly preemptions: number;
  readonly prefixCacheQueries: number;
  readonly prefixCacheHits: number;
  readonly steps: number;
}

export interface EngineInfo {
  readonly maxModelLen: number;
  readonly vocabSize: number;
  readonly maxBatch: number;
  readonly summary?: object;
}

export interface Engine {
  readonly info: EngineInfo;
  readonly failed: boolean;
  readonly tokenizer: Tokenizer;
  generate(request: GenerateRequest, options?: { signal?: AbortSignal }): AsyncIterable<GenerateEvent>;
  stats(): EngineStats;
  close(): Promise<void>;
}
