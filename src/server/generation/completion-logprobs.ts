// The log-probabilities of a completion, in the form of OpenAI's first API: parallel lists over the tokens.
// Evaluation harnesses read token_logprobs and top_logprobs of an echoed prompt from it; floats stay unrounded.

import type { TokenEvent, TokenLogprob } from '../../engine/engine-types.ts';
import type { Detokenizer } from '../../tokenizer/detokenizer.ts';
import { best } from './prompt-logprobs.ts';
import { finite, type TokenNames } from './token-names.ts';

export interface CompletionLogprobs {
  readonly tokens: string[];
  readonly token_logprobs: (number | null)[];
  readonly top_logprobs: (Record<string, number> | null)[];
  /** Where each token begins in the answer's text, in characters (code points). */
  readonly text_offset: number[];
}

export interface CompletionLogprobsOptions {
  readonly names: TokenNames;
  /** How many of the most probable tokens are shown. */
  readonly top: number;
  /** A detokenizer of this sequence's own, to know where tokens begin. */
  readonly detokenizer: Detokenizer;
}

/** Turns one sequence's events into lists; `take` hands over what has come since. */
export class CompletionLogprobsWriter {
  readonly #names: TokenNames;
  readonly #top: number;
  readonly #detokenizer: Detokenizer;
  #offset = 0;
  #lists = emptyLists();

  constructor({ names, top, detokenizer }: CompletionLogprobsOptions) {
    this.#names = names;
    this.#top = top;
    this.#detokenizer = detokenizer;
  }

  /** `logprobs` (tokens): null for the first token, which nothing predicts. */
  pushPrompt(ids: ArrayLike<number>, logprobs: readonly (TokenLogprob | null)[]): void {
    for (let i = 0; i < ids.length; i++) this.#push(ids[i]!, logprobs[i] ?? null);
  }

  pushToken({ tokenId, logprob, topLogprobs = [] }: TokenEvent): void {
    this.#push(tokenId, logprob === undefined ? null : { tokenId, logprob, topLogprobs });
  }

  take(): CompletionLogprobs {
    const lists = this.#lists;
    this.#lists = emptyLists();
    return lists;
  }

  #push(tokenId: number, logprob: Omit<TokenLogprob, 'rank'> | null): void {
    this.#lists.tokens.push(this.#names.name(tokenId));
    this.#lists.token_logprobs.push(logprob && finite(logprob.logprob));
    this.#lists.top_logprobs.push(logprob && this.#names.table(best(logprob, this.#top)));
    this.#lists.text_offset.push(this.#offset);
    for (const _character of this.#detokenizer.push(tokenId)) this.#offset++;
  }
}

const emptyLists = (): CompletionLogprobs => ({
  tokens: [],
  token_logprobs: [],
  top_logprobs: [],
  text_offset: [],
});
