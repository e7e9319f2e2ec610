// Log-probabilities of a token and of the most probable ones, as the model gives them before anything changes its logits.
import type { TokenLogprob, TopLogprob } from './engine-types.ts';

/**
 * logits (vocab) f32, logTotal the log of the sum of e^logits. `top` of the most probable tokens are named, the most probable
 * first, of equals the lower id, and after them the token itself where it is not among them.
 */
export function tokenLogprob(
  logits: Float32Array,
  tokenId: number,
  { top, logTotal }: { top: number; logTotal: number },
): TokenLogprob {
  const own = logits[tokenId]!;
  let rank = 1;
  for (let id = 0; id < logits.length; id++) rank += +(logits[id]! > own);
  const topLogprobs = mostProbable(logits, top).map(
    (id): TopLogprob => ({ tokenId: id, logprob: logits[id]! - logTotal }),
  );
  const logprob = own - logTotal;
  if (!topLogprobs.some((candidate) => candidate.tokenId === tokenId)) topLogprobs.push({ tokenId, logprob });
  return { tokenId, logprob, rank, topLogprobs };
}

/** Ids of the `count` largest logits, by insertion: the few that are asked for make a heap needless. */
function mostProbable(logits: Float32Array, count: number): number[] {
  const best: number[] = [];
  for (let id = 0; id < logits.length; id++) {
    const full = best.length === count;
    if (count === 0 || (full && !(logits[id]! > logits[best.at(-1)!]!))) continue;
    let place = full ? count - 1 : best.length;
    while (place > 0 && logits[id]! > logits[best[place - 1]!]!) {
      best[place] = best[place - 1]!;
      place--;
    }
    best[place] = id;
  }
  return best;
}
