// The log-probabilities of one chat token, with the bytes of each candidate.
import type { TokenEvent } from '../../engine/engine-types.ts';
import { finite, type TokenNames } from './token-names.ts';

interface Candidate {
  readonly token: string;
  readonly logprob: number;
  readonly bytes: number[] | null;
}

export interface ChatLogprob extends Candidate {
  readonly top_logprobs: Candidate[];
}

/** `top`: how many candidates the client asked for; the engine may give the token itself beyond these. */
export function chatLogprob(event: TokenEvent, names: TokenNames, top: number): ChatLogprob {
  const candidate = (id: number, logprob: number): Candidate => ({
    token: names.name(id),
    logprob: finite(logprob),
    bytes: names.bytes(id),
  });
  return {
    ...candidate(event.tokenId, event.logprob ?? Number.NEGATIVE_INFINITY),
    top_logprobs: (event.topLogprobs ?? [])
      .slice(0, top)
      .map(({ tokenId, logprob }) => candidate(tokenId, logprob)),
  };
}
