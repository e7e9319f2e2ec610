// The field `prompt_logprobs`: how probable each token of a prompt is, in vLLM's form. By token of the prompt, null for the
// first; each by token id: the most probable ones and the token itself, with their ranks.
import type { PromptLogprobsEvent, TokenLogprob, TopLogprob } from '../../engine/engine-types.ts';
import type { Tokenizer } from '../../tokenizer/tokenizer.ts';
import { finite, TokenNames } from './token-names.ts';

/** As JSON. `top`: how many of the most probable tokens were asked for. */
export function promptLogprobs(
  { logprobs }: PromptLogprobsEvent,
  { tokenizer, top }: { tokenizer: Tokenizer; top: number },
): string {
  const names = new TokenNames({ tokenizer });
  const scores = logprobs.map((scored) => {
    if (scored === null) return 'null';
    const entries = best(scored, top).map(({ tokenId, logprob }, place) => {
      const rank = tokenId === scored.tokenId ? scored.rank : place + 1;
      return `"${tokenId}":{"logprob":${finite(logprob)},"rank":${rank},"decoded_token":${names.name(tokenId)}}`;
    });
    return `{${entries.join(',')}}`;
  });
  return `[${scores.join(',')}]`;
}

/** The `top` most probable tokens, and the token itself where it is not among them: of a list that may hold more. */
export function best(
  { tokenId, logprob, topLogprobs }: Omit<TokenLogprob, 'rank'>,
  top: number,
): readonly TopLogprob[] {
  const first = topLogprobs.slice(0, top);
  return first.some((candidate) => candidate.tokenId === tokenId) ? first : [...first, { tokenId, logprob }];
}
