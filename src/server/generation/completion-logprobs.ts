// The log-probabilities of a completion, in the form of OpenAI's first API: parallel lists over the tokens.
// Evaluation harnesses read token_logprobs and top_logprobs of an echoed prompt from it; floats stay unrounded.

import type { TokenEvent, TokenLogprob } from '../../engine/engine-types.ts';
import type { Detokenizer } from '../../tokenizer/detokenizer.ts';
import { best } from './prompt-logprobs.ts';
import { TextBuilder } from './text-builder.ts';
import { finite, type TokenNames } from './token-names.ts';

/** The items of each list as JSON, with commas between. */
export interface CompletionLogprobs {
  readonly tokens: string;
  readonly token_logprobs: string;
  readonly top_logprobs: string;
  /** Where each token begins in the answer's text, in characters (code points). */
  readonly text_offset: string;
}

const listNames = ['tokens', 'token_logprobs', 'top_logprobs', 'text_offset'] as const;

/** Lists that grow; none of their items is empty. */
export class CompletionLogprobsLists {
  readonly #lists = {
    tokens: new TextBuilder(),
    token_logprobs: new TextBuilder(),
    top_logprobs: new TextBuilder(),
    text_offset: new TextBuilder(),
  };

  get length(): number {
    return listNames.reduce((sum, name) => sum + this.#lists[name].length, 0);
  }

  add(items: CompletionLogprobs): void {
    for (const name of listNames) if (items[name] !== '') this.#lists[name].push(items[name], ',');
  }

  get items(): CompletionLogprobs {
    const { tokens, token_logprobs, top_logprobs, text_offset } = this.#lists;
    return {
      tokens: tokens.toString(),
      token_logprobs: token_logprobs.toString(),
      top_logprobs: top_logprobs.toString(),
      text_offset: text_offset.toString(),
    };
  }
}

export function logprobsJson(items: CompletionLogprobs): string {
  return `{${listNames.map((name) => `"${name}":[${items[name]}]`).join(',')}}`;
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
  #lists = new CompletionLogprobsLists();

  constructor({ names, top, detokenizer }: CompletionLogprobsOptions) {
    this.#names = names;
    this.#top = top;
    this.#detokenizer = detokenizer;
  }

  /** `logprobs` (tokens): null for the first token, which nothing predicts. Returns what other answers may begin with. */
  pushPrompt(ids: ArrayLike<number>, logprobs: readonly (TokenLogprob | null)[]): CompletionLogprobs {
    for (let i = 0; i < ids.length; i++) this.#push(ids[i]!, logprobs[i] ?? null);
    return this.#lists.items;
  }

  /** Begins with a prompt that another answer's writer has put into lists. */
  beginAs(other: CompletionLogprobsWriter, ids: ArrayLike<number>, prompt: CompletionLogprobs): void {
    this.#lists.add(prompt);
    this.#offset = other.#offset;
    this.#detokenizer.push(ids);
  }

  pushToken({ tokenId, logprob, topLogprobs = [] }: TokenEvent): void {
    this.#push(tokenId, logprob === undefined ? null : { tokenId, logprob, topLogprobs });
  }

  take(): CompletionLogprobs {
    const { items } = this.#lists;
    this.#lists = new CompletionLogprobsLists();
    return items;
  }

  #push(tokenId: number, logprob: Omit<TokenLogprob, 'rank'> | null): void {
    this.#lists.add({
      tokens: this.#names.name(tokenId),
      token_logprobs: logprob === null ? 'null' : String(finite(logprob.logprob)),
      top_logprobs: logprob === null ? 'null' : this.#names.table(best(logprob, this.#top)),
      text_offset: String(this.#offset),
    });
    for (const _character of this.#detokenizer.push(tokenId)) this.#offset++;
  }
}
