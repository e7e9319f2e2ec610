// The log-probabilities of one chat token, with the bytes of each candidate.
import type { TokenEvent } from '../../engine/engine-types.ts';
import { finite, type TokenNames } from './token-names.ts';

/** As JSON. `top`: how many candidates the client asked for; the engine may give the token itself beyond these. */
export function chatLogprob(event: TokenEvent, names: TokenNames, top: number): string {
  // Without the brace that closes it.
  const candidate = (id: number, logprob: number) =>
    `{"token":${names.name(id)},"logprob":${finite(logprob)},"bytes":${names.bytes(id)}`;
  const others = (event.topLogprobs ?? [])
    .slice(0, top)
    .map(({ tokenId, logprob }) => `${candidate(tokenId, logprob)}}`);
  const own = candidate(event.tokenId, event.logprob ?? Number.NEGATIVE_INFINITY);
  return `${own},"top_logprobs":[${others.join(',')}]}`;
}
