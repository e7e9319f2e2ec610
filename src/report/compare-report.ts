// The report of `atom eval` on several checkpoints: what each loses against the first, and what it saves.
import { byteText, fixed, percentChange, perplexityText } from './format.ts';
import { page } from './page.ts';
import { commandSection } from './sections/command.ts';
import { opening } from './sections/opening.ts';
import { changeSection, costSection, perplexitySection } from './sections/perplexities.ts';
import { taskSection } from './sections/task-scores.ts';
import type { ComparedCheckpoint, CompareReport, KeyFigure } from './types.ts';

/** Checkpoints whose figures open the page. */
const mostFigures = 4;

/** One self-contained HTML file as text. Never throws on bad numbers. */
export function renderCompareReport(report: CompareReport): string {
  const { title, checkpoints, command } = report;
  const [base, ...others] = checkpoints;
  const lede =
    others.length === 0
      ? 'One checkpoint, measured alone.'
      : `Every change is against ${base?.name ?? ''}, measured on the same texts and questions.`;
  return page(report, [
    opening({ kind: 'Evaluation', title, lede, figures: keyFigures(checkpoints) }),
    perplexitySection(checkpoints),
    changeSection(checkpoints),
    taskSection(checkpoints),
    costSection(checkpoints),
    commandSection(command, []),
  ]);
}

/** Of each checkpoint the change of perplexity on the first text, else the mean score of its tasks. */
function keyFigures([base, ...others]: readonly ComparedCheckpoint[]): KeyFigure[] {
  if (base === undefined) return [];
  const shown = others.length === 0 ? [base] : others.slice(0, mostFigures);
  return shown.map((checkpoint) => {
    const { name, bytes, perplexities, tasks } = checkpoint;
    const size = bytes === undefined ? '' : `, ${byteText(bytes)}`;
    const [score] = perplexities;
    if (score !== undefined) {
      const { text, value, change } = score;
      const note = `perplexity ${perplexityText(value)} on ${text}${size}`;
      return { value: change ? percentChange(change.ratio - 1) : perplexityText(value), label: name, note };
    }
    const mean = tasks.reduce((sum, task) => sum + task.score, 0) / tasks.length;
    return { value: `${fixed(100 * mean, 1)} %`, label: name, note: `mean of ${tasks.length} scores${size}` };
  });
}
