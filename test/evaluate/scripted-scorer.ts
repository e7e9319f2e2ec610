// A model that says what a test tells it to: log-probabilities by continuation or by context, worked out by hand.
import type { Likelihood, LikelihoodRequest, LikelihoodScorer } from '../../src/evaluate/likelihood.ts';

export interface ScriptedScorer extends LikelihoodScorer {
  /** Everything that was asked, in order. */
  readonly asked: LikelihoodRequest[];
}

/** `answer` gives the log-probability of a request, and whether it is greedy. */
export function scriptedScorer(answer: (request: LikelihoodRequest) => number | Likelihood): ScriptedScorer {
  const asked: LikelihoodRequest[] = [];
  const answerOne = (request: LikelihoodRequest): Likelihood => {
    asked.push(request);
    const said = answer(request);
    return typeof said === 'number' ? { logProb: said, greedy: false } : said;
  };
  return { asked, score: async (groups) => groups.map((group) => group.map(answerOne)) };
}
