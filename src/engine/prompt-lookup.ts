// Guesses what comes next from what came before: where the last few tokens stand earlier in prompt or answer, what
// followed them there is likely to follow again (prompt lookup decoding: Saxena, 2023; Yang et al., 2023).
// A guess changes no answer: the model checks each one, and the sampler draws what it would have drawn anyway.
import type { Guess } from './scheduler.ts';
import type { Sequence } from './sequence.ts';

/** Lengths of the ending that is looked for, the longest first. */
const longestEnding = 4;
const shortestEnding = 2;

/** Guesses of up to `most` tokens. */
export function lookUpGuess(most: number): Guess {
  return (sequence: Sequence, limit: number) => {
    const { tokens, length, request } = sequence;
    if (request.grammar !== undefined) return 0;
    const from = findEnding(tokens, length);
    if (from < 0) return 0;
    const guess = tokens.slice(from, Math.min(from + Math.min(most, limit), length));
    sequence.guess(guess);
    return guess.length;
  };
}

/** Position after the last earlier place of the sequence's ending; -1 if it stands nowhere else. */
function findEnding(tokens: Int32Array, length: number): number {
  let best = -1;
  let bestLength = shortestEnding - 1;
  for (let end = length - 1; end >= shortestEnding && bestLength < longestEnding; end--) {
    if (tokens[end - 1] !== tokens[length - 1]) continue;
    let same = 1;
    while (same < longestEnding && same < end && tokens[end - 1 - same] === tokens[length - 1 - same]) same++;
    if (same > bestLength) {
      bestLength = same;
      best = end;
    }
  }
  return best;
}
