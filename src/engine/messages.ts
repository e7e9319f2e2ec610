// What the engine's two sides say to each other: the thread of its callers and the worker that owns model and cache.
// Plain data that survives structured cloning; one message per step carries the tokens of all sequences.
import type { ErrorCode } from '../errors.ts';
import type { EngineInfo, EngineStats, TokenLogprob } from './engine-types.ts';
import type { EngineOptions } from './options.ts';
import type { EngineRequest } from './request.ts';
import type { FinishReason } from './sequence.ts';

/** What the worker starts with. */
export interface WorkerStart {
  readonly modelPath: string;
  readonly options: EngineOptions;
}

export type ToWorker =
  | { readonly type: 'add'; readonly request: EngineRequest }
  /** Ends a request, or one answer of it, without a word. */
  | { readonly type: 'cancel'; readonly requestId: number; readonly index?: number }
  | { readonly type: 'close' };

export type FromWorker =
  | ReadyMessage
  | StepMessage
  | { readonly type: 'failed'; readonly error: ErrorMessage };

export interface ReadyMessage {
  readonly type: 'ready';
  readonly info: EngineInfo;
  readonly stats: EngineStats;
}

/** An error that crosses the border: its class does not. */
export interface ErrorMessage {
  readonly code: ErrorCode;
  readonly message: string;
}

/** All that a step has brought; also sent without one when requests leave. */
export interface StepMessage {
  readonly type: 'step';
  // Token i of the step: whose it is, and which.
  readonly requestIds: Int32Array; // (tokens)
  readonly indexes: Int32Array; // (tokens)
  readonly tokenIds: Int32Array; // (tokens)
  /** By token, where any request asked for log-probabilities. */
  readonly scores?: readonly (TokenLogprob | undefined)[];
  readonly promptScores: readonly PromptScores[];
  /** Answers that got their first token, before any token of theirs. */
  readonly started: readonly StartedAnswer[];
  /** Answers that have ended, after their last token. */
  readonly finished: readonly FinishedAnswer[];
  readonly failures: readonly FailedRequest[];
  readonly stats: EngineStats;
  /** Where the step's time went, in milliseconds; for the bench. */
  readonly times?: StepTimes;
}

export interface PromptScores {
  readonly requestId: number;
  readonly scores: readonly (TokenLogprob | null)[];
}

export interface StartedAnswer {
  readonly requestId: number;
  readonly index: number;
  readonly cachedTokens: number;
  readonly queueSeconds: number;
  readonly prefillSeconds: number;
}

export interface FinishedAnswer {
  readonly requestId: number;
  readonly index: number;
  readonly reason: FinishReason;
}

export interface FailedRequest {
  readonly requestId: number;
  readonly error: ErrorMessage;
}

export interface StepTimes {
  readonly schedule: number;
  /** The model's operators, down to the logits. */
  readonly model: number;
  readonly sample: number;
  readonly settle: number;
}
