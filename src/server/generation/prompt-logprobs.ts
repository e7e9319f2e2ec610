// The field `prompt_logprobs`: how probable each token of a prompt is, in vLLM's form.
import type { PromptLogprobsEvent, TokenLogprob } from '../../engine/engine-types.ts';
import type { Tokenizer } from '../../tokenizer/tokenizer.ts';
import { finite } from './token-names.ts';

interface RankedToken {
  readonly logprob: number;
  /** 1 for the most probable. */
  readonly rank: number;
  readonly decoded_token: string;
}

/** By token of the prompt, null for the first; each by token id: the most probable ones and the token itself. */
export type PromptLogprobs = readonly (Readonly<Record<string, RankedToken>> | null)[];

/** `top`: how many of the most probable tokens were asked for. */
export function promptLogprobs(
  { logprobs }: PromptLogprobsEvent,
  { tokenizer, top }: { tokenizer: Tokenizer; top: number },
): PromptLogprobs {
  return logprobs.map((scored) => {
    if (scored === null) return null;
    const entries = best(scored, top).map(({ tokenId, logprob }, place) => {
      const rank = tokenId === scored.tokenId ? scored.rank : place + 1;
      return [tokenId, { logprob: finite(logprob), rank, decoded_token: tokenizer.textOf(tokenId) }] as const;
    });
    return Object.fromEntries(entries);
  });
}

/** The `top` most probable tokens, and the token itself where it is not among them: of a list that may hold more. */
export function best({ tokenId, logprob, topLogprobs }: Omit<TokenLogprob, 'rank'>, top: number) {
  const first = topLogprobs.slice(0, top);
  return first.some((candidate) => candidate.tokenId === tokenId) ? first : [...first, { tokenId, logprob }];
}
