// What is asked of the engine for one prompt, every default filled in: plain data that crosses into the worker.
// It must not know how any of it is done.
import { AtomError } from '../errors.ts';
import type { Grammar } from './engine-types.ts';
import type { SamplingOptions } from './sampling-options.ts';

export interface EngineRequest {
  /** Unique while the request lives. */
  readonly id: number;
  readonly prompt: Int32Array;
  /** Answers wanted, each sampled on its own. */
  readonly n: number;
  /** Longest answer; 0 only scores the prompt. */
  readonly maxTokens: number;
  /** Until an answer has so many tokens, no stop token is sampled. */
  readonly minTokens: number;
  /** Requests of higher priority go first; equals in order of arrival. */
  readonly priority: number;
  /** Tokens that end an answer, the model's own among them unless they are to be ignored. */
  readonly stopTokenIds: readonly number[];
  readonly sampling: SamplingOptions;
  /** How many of the most probable tokens to name beside each sampled one; undefined for no log-probabilities. */
  readonly logprobs?: number;
  /** The same for the tokens of the prompt. */
  readonly promptLogprobs?: number;
  readonly grammar?: Grammar;
}

/**
 * Throws for a request that could never be served, however long it waits: `bad-request` for one without a prompt or
 * answers, `context-length-exceeded` for one longer than the context of `maxModelLen` tokens.
 */
export function checkFits({ prompt, maxTokens, n }: EngineRequest, maxModelLen: number): void {
  if (prompt.length === 0) throw new AtomError('bad-request', 'the prompt is empty; give at least one token');
  if (n < 1) throw new AtomError('bad-request', `${n} answers were asked for; ask for at least one`);
  if (prompt.length + maxTokens > maxModelLen) {
    throw new AtomError(
      'context-length-exceeded',
      `${prompt.length} tokens of prompt and ${maxTokens} of answer do not fit the context of ${maxModelLen}; shorten either`,
    );
  }
}
