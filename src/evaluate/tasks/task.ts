// A zero-shot task: where its rows come from, how a row becomes requests, and what is counted.
// Prompts, choices and scores are those of lm-evaluation-harness 0.4.9 (lm_eval/tasks, lm_eval/api/task.py), so that
// figures can be set beside published ones. A task knows rows and text; it must not know models or files.
import type { Likelihood, LikelihoodRequest } from '../likelihood.ts';
import type { Row } from '../row.ts';
import { length } from './python-text.ts';

/**
 * acc: the most probable choice is the right one (of equals the first), or the one continuation is what the model
 * would say itself. acc_norm: the same with log-probabilities divided by the choices' lengths in characters.
 * perplexity: exp of minus the mean log-probability of a continuation.
 */
export type Metric = 'acc' | 'acc_norm' | 'perplexity';

export interface TaskDataset {
  /** Repository on the Hub, and the configuration in it. */
  readonly id: string;
  readonly config: string;
  /** The split that is scored, and the one few-shot examples are drawn from. */
  readonly evaluated: string;
  readonly examples: string;
}

export interface Task {
  readonly name: string;
  readonly dataset: TaskDataset;
  readonly metrics: readonly Metric[];
  /** Throws `bad-dataset` for a row that lacks what the task needs. */
  readonly question: (row: Row) => Question;
}

export interface Question {
  /** One for each choice, or a single one. */
  readonly requests: readonly LikelihoodRequest[];
  /** Index of the right choice. */
  readonly gold: number;
  /** Characters of each choice, without the space before it. */
  readonly lengths: readonly number[];
  /** The question with its right answer, as it stands among few-shot examples. */
  readonly example: string;
}

/** One context, several choices, a space between them. */
export function multipleChoice({
  context,
  choices,
  gold,
}: {
  context: string;
  choices: readonly string[];
  gold: number;
}): Question {
  return {
    requests: choices.map((choice) => ({ context, continuation: ` ${choice}` })),
    gold,
    lengths: choices.map(length),
    example: `${context} ${choices[gold]}`,
  };
}

/** What one question adds to each metric: 0 or 1, and for perplexity the log-probability. */
export function scoreQuestion(
  { gold, lengths }: Question,
  likelihoods: readonly Likelihood[],
): Readonly<Record<Metric, number>> {
  const logProbs = likelihoods.map(({ logProb }) => logProb);
  const perCharacter = logProbs.map((logProb, choice) => logProb / lengths[choice]!);
  const alone = likelihoods.length === 1;
  return {
    acc: Number(alone ? likelihoods[0]!.greedy : indexOfLargest(logProbs) === gold),
    acc_norm: Number(alone ? likelihoods[0]!.greedy : indexOfLargest(perCharacter) === gold),
    perplexity: logProbs[gold]!,
  };
}

function indexOfLargest(values: readonly number[]): number {
  return values.reduce((best, value, index) => (value > values[best]! ? index : best), 0);
}
