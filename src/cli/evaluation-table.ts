// Evaluations as a table for the terminal: a row for each measure, a column for each model.
import { basename } from 'node:path';
import { perplexityChange } from '../evaluate/compare.ts';
import type { TextResult } from '../evaluate/evaluate.ts';
import type { Measured, TaskResult } from '../evaluate/run-task.ts';
import type { Metric } from '../evaluate/tasks/task.ts';
import type { ModelEvaluation } from './evaluate.ts';
import { bytesOf } from './sizes.ts';

/** All results are of one plan, so rows are those of the first. */
export function evaluationTable(results: readonly ModelEvaluation[]): string {
  const [first] = results;
  if (!first) return '';
  const ofTexts = first.texts.flatMap((base, index) => {
    const row = [
      `${basename(base.text)} perplexity`,
      ...results.map(({ texts }) => perplexity(texts[index]!)),
    ];
    if (results.length === 1) return [row];
    return [row, ['  change', '', ...results.slice(1).map(({ texts }) => change(base, texts[index]!))]];
  });
  const ofTasks = first.tasks.flatMap(({ task, metrics, fewShot }, index) =>
    (Object.keys(metrics) as Metric[]).map((metric) => [
      `${task}${fewShot > 0 ? ` (${fewShot} shots)` : ''} ${metric}`,
      ...results.map(({ tasks }) => measured(metric, tasks[index]!.metrics[metric]!)),
    ]),
  );
  const heading = ['', ...labels(results.map(({ model }) => model))];
  const ofModels = [
    ['scheme', ...results.map(({ scheme }) => scheme)],
    ['size', ...results.map(({ bytes }) => bytesOf(bytes))],
  ];
  const notes = [...first.texts.map(textNote), ...first.tasks.map(taskNote), timeNote(results)];
  return [...align([heading, ...ofModels, ...ofTexts, ...ofTasks]), '', ...notes].join('\n');
}

/** With its 95 % confidence interval. */
function perplexity({ perplexity: value, interval: [low, high] }: TextResult): string {
  return `${value.toFixed(4)} (${low.toFixed(2)} to ${high.toFixed(2)})`;
}

/** In percent of the first model's. */
function change(base: TextResult, other: TextResult): string {
  const found = perplexityChange(base, other);
  if (!found) return 'other windows';
  const [ratio, low, high] = [found.ratio, ...found.interval].map((value) => ((value - 1) * 100).toFixed(2));
  return `${found.ratio < 1 ? '' : '+'}${ratio} % (${low} to ${high})`;
}

/** With its standard error. */
function measured(metric: Metric, { value, standardError }: Measured): string {
  const percent = metric === 'perplexity' ? 1 : 100;
  return `${(value * percent).toFixed(2)} ± ${(standardError * percent).toFixed(2)}${percent === 100 ? ' %' : ''}`;
}

const textNote = ({ text, tokens, windows, window }: TextResult) =>
  `${basename(text)}: ${tokens} tokens scored in ${windows} windows of ${window}; in brackets the 95 % interval`;

const taskNote = ({ task, questions }: TaskResult) => `${task}: ${questions} questions; ± one standard error`;

function timeNote(results: readonly ModelEvaluation[]): string {
  const seconds = results
    .flatMap(({ texts, tasks }) => [...texts, ...tasks])
    .reduce((sum, each) => sum + each.seconds, 0);
  return `${seconds.toFixed(1)} s`;
}

/** Last parts of the names, or the whole names where those are not distinct. */
export function labels(models: readonly string[]): string[] {
  const short = models.map((model) => basename(model));
  return new Set(short).size === models.length ? short : [...models];
}

function align(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
}
