// Runs one zero-shot task: rows to requests, likelihoods to metrics with their standard errors.
import { AtomError } from '../errors.ts';
import type { LikelihoodScorer, ScoreOptions } from './likelihood.ts';
import type { Row } from './row.ts';
import { mean, standardError } from './statistics.ts';
import { fewShotContexts } from './tasks/few-shot.ts';
import { type Metric, scoreQuestion, type Task } from './tasks/task.ts';

export interface Measured {
  readonly value: number;
  readonly standardError: number;
}

export interface TaskResult {
  readonly task: string;
  readonly metrics: Readonly<Partial<Record<Metric, Measured>>>;
  /** Questions scored. */
  readonly questions: number;
  readonly fewShot: number;
  /** What guessing scores, where there are choices; 0 to 1. */
  readonly chance?: number;
  readonly seconds: number;
}

export interface RunTaskOptions extends ScoreOptions {
  readonly task: Task;
  readonly scorer: LikelihoodScorer;
  /** Rows of the scored split, in order. */
  readonly rows: readonly Row[];
  /** Examples before each question, by default none, and the rows they are drawn from. */
  readonly fewShot?: number;
  readonly exampleRows?: readonly Row[];
  /** Of the draw of examples; by default the harness's, 1234. */
  readonly seed?: number;
  /** Only the first so many rows. */
  readonly limit?: number;
}

/** Throws `bad-dataset` for rows that do not fit the task, `bad-option` for too few examples, `cancelled`. */
export async function runTask(options: RunTaskOptions): Promise<TaskResult> {
  const { task, scorer, rows, fewShot = 0, exampleRows = [], seed = 1234, limit } = options;
  const started = performance.now();
  const scored = rows.slice(0, limit);
  if (scored.length === 0) {
    throw new AtomError('bad-dataset', `the split ${task.dataset.evaluated} of ${task.name} has no rows`);
  }
  const examplesFor = fewShotContexts({ task, rows: exampleRows, count: fewShot, seed });
  const questions = scored.map((row) => {
    const question = task.question(row);
    const examples = examplesFor(row);
    const requests = question.requests.map(({ context, continuation }) => ({
      context: examples + context,
      continuation,
    }));
    return { ...question, requests };
  });
  const likelihoods = await scorer.score(
    questions.map(({ requests }) => requests),
    options,
  );
  const scores = questions.map((question, index) => scoreQuestion(question, likelihoods[index]!));
  const measured = task.metrics.map((metric) => [
    metric,
    measure(
      metric,
      scores.map((score) => score[metric]),
    ),
  ]);
  const hasChoices = questions.every(({ requests }) => requests.length > 1);
  return {
    task: task.name,
    ...(hasChoices && { chance: mean(questions.map(({ requests }) => 1 / requests.length)) }),
    metrics: Object.fromEntries(measured),
    questions: scored.length,
    fewShot,
    seconds: (performance.now() - started) / 1000,
  };
}

/**
 * The harness bootstraps the error of a perplexity; this is the value its draws approach, to first order
 * (exp'(x) = exp(x), so the error of the mean log-probability times the perplexity).
 */
function measure(metric: Metric, values: readonly number[]): Measured {
  if (metric !== 'perplexity') return { value: mean(values), standardError: standardError(values) };
  const perplexity = Math.exp(-mean(values));
  return { value: perplexity, standardError: perplexity * standardError(values) };
}
