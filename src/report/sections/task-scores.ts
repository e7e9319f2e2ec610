// Zero-shot accuracies of several checkpoints: a small drawing for each task and metric, and all of them in numbers.
import { barAxis } from '../bars.ts';
import { fixed, missing } from '../format.ts';
import { type Markup, markup, nothing } from '../markup.ts';
import { section } from '../page.ts';
import { extent, linearScale, rounded } from '../scales.ts';
import { spot } from '../spots.ts';
import type { ComparedCheckpoint, TaskScore } from '../types.ts';
import { checkpointColour } from './perplexities.ts';

const measureOf = ({ task, metric }: TaskScore) => (metric === undefined ? task : `${task}, ${metric}`);

export function taskSection(checkpoints: readonly ComparedCheckpoint[]): Markup {
  const measures = [...new Set(checkpoints.flatMap(({ tasks }) => tasks.map(measureOf)))];
  if (measures.length === 0) return nothing;
  const hasChance = checkpoints.some(({ tasks }) => tasks.some(({ chance }) => chance !== undefined));
  const lede = `Percent of the questions answered rightly; lines reach one standard error to both sides.${hasChance ? ' The dashed line is what guessing gives.' : ''}`;
  const drawn = measures.map((measure) => taskRows(checkpoints, measure));
  return section('Zero-shot tasks', lede, [
    markup`<div class="many">${drawn}</div>`,
    taskTable(checkpoints, measures),
  ]);
}

function scoreOf({ tasks }: ComparedCheckpoint, measure: string): TaskScore | undefined {
  return tasks.find((score) => measureOf(score) === measure);
}

function taskRows(checkpoints: readonly ComparedCheckpoint[], measure: string): Markup {
  const scores = checkpoints.map((checkpoint) => scoreOf(checkpoint, measure));
  const intervals = scores.map((score) => {
    const { score: value, standardError } = score ?? {};
    if (value === undefined || standardError === undefined) return undefined;
    return [100 * (value - standardError), 100 * (value + standardError)] as const;
  });
  const chance = scores.find((score) => score?.chance !== undefined)?.chance;
  const values = scores.map((score) => 100 * (score?.score ?? Number.NaN));
  const all = [...values, ...intervals.flat(), 100 * (chance ?? Number.NaN)];
  const [low, high] = rounded(
    extent(
      all.map((value) => value ?? Number.NaN),
      [0, 100],
    ),
    4,
  );
  const scale = linearScale([Math.max(0, low), Math.min(100, high)], [0, 100]);
  const ticks = scale.ticks(4);
  const rows = checkpoints.map(({ name }, index) => {
    const value = values[index] ?? Number.NaN;
    const interval = intervals[index];
    const tip = `${name}\n${measure}: ${scoreText(scores[index])}`;
    const reference = chance === undefined ? undefined : 100 * chance;
    return markup`<div><span class="name">${name}</span><span class="num">${fixed(value, 1)}</span>${spot({ scale, value, interval, colour: checkpointColour(index), ticks, reference, tip })}</div>`;
  });
  return markup`<figure><h3>${measure}</h3><div class="rows one">${rows}<div><span></span><span></span>${barAxis(scale, ticks)}</div></div></figure>`;
}

function taskTable(checkpoints: readonly ComparedCheckpoint[], measures: readonly string[]): Markup {
  const head = checkpoints.map(({ name }) => markup`<th class="num">${name}</th>`);
  const rows = measures.map((measure) => {
    const cells = checkpoints.map(
      (checkpoint) => markup`<td class="num">${scoreText(scoreOf(checkpoint, measure))}</td>`,
    );
    return markup`<tr><td>${measure}</td>${cells}</tr>`;
  });
  return markup`<div class="wide"><table><thead><tr><th>Task</th>${head}</tr></thead><tbody>${rows}</tbody></table></div>`;
}

function scoreText(score: TaskScore | undefined): string {
  if (score === undefined) return missing;
  const error = score.standardError === undefined ? '' : ` ± ${fixed(100 * score.standardError, 2)}`;
  return `${fixed(100 * score.score, 2)}${error}`;
}
