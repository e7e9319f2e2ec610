// Evaluations of several models as the report that is drawn from them.
import { basename } from 'node:path';
import { perplexityChange } from '../evaluate/compare.ts';
import type { TaskResult } from '../evaluate/run-task.ts';
import type { Metric } from '../evaluate/tasks/task.ts';
import type { ComparedCheckpoint, CompareReport, TaskScore } from '../report/types.ts';
import type { ModelEvaluation } from './evaluate.ts';
import { labels } from './evaluation-table.ts';
import { provenance } from './provenance.ts';

/** All results are of one plan; the first is the yardstick. `started` as performance.now() gave it. */
export function comparisonReport(results: readonly ModelEvaluation[], started: number): CompareReport {
  const names = labels(results.map(({ model }) => model));
  const [base] = results;
  const title =
    results.length === 1 ? names[0]! : `${names[0]} beside ${results.length - 1} other checkpoints`;
  return {
    kind: 'compare',
    ...provenance(results.length === 2 ? names.join(' beside ') : title, started),
    checkpoints: results.map((result, index) => checkpointOf(result, base!, names[index]!)),
  };
}

function checkpointOf(
  { model: _, scheme, bytes, parameters, texts, tasks }: ModelEvaluation,
  base: ModelEvaluation,
  name: string,
): ComparedCheckpoint {
  return {
    ...{ name, scheme, bytes, bitsPerWeight: (8 * bytes) / parameters },
    perplexities: texts.map((text, index) => {
      const change = texts === base.texts ? undefined : perplexityChange(base.texts[index]!, text);
      const { perplexity: value, interval } = text;
      return { text: basename(text.text), value, interval, ...(change && { change }) };
    }),
    tasks: tasks.flatMap(scoresOf),
  };
}

/** Shares of right answers; a perplexity on a task's text is no share and is left to the table. */
function scoresOf({ task, metrics, chance, fewShot }: TaskResult): TaskScore[] {
  return (Object.keys(metrics) as Metric[])
    .filter((metric) => metric !== 'perplexity')
    .map((metric) => {
      const { value: score, standardError } = metrics[metric]!;
      const name = fewShot > 0 ? `${task}, ${fewShot} shot${fewShot === 1 ? '' : 's'}` : task;
      return { task: name, metric, score, standardError, ...(chance !== undefined && { chance }) };
    });
}
