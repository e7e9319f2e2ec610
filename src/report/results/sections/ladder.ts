// Both ladders: what each step from plain rounding to our own recipe loses, beside Atom's published code.
import { fixed, percentChange } from '../../format.ts';
import { logScale } from '../../scales.ts';
import { type Goal, goalTableOf } from '../goals.ts';
import { type Section, sources, table } from '../page-parts.ts';
import type { ResultOf } from '../result-file.ts';
import { type Mark, type Row, rowChart } from '../row-chart.ts';

type Ladder = ResultOf<'ladder'>;
type Rung = Ladder['data']['rows'][number];

export function ladderSection(ladders: readonly Ladder[]): Section {
  const [first] = ladders.map(({ data }) => data);
  const steps = first?.rows ?? [];
  const headings = ladders.flatMap(({ data }) => [data.model, 'published code']);
  const rows = steps.map(({ name }, index) => [
    index === steps.length - 1 ? `**${name}**` : name,
    ...ladders.flatMap(({ data }) => figures(data.rows[index], index === steps.length - 1)),
  ]);
  return {
    heading: 'What each step of Atom brings',
    parts: [
      `Perplexity on \`models/tiny-classics/test.txt\` in windows of ${first?.window}, simulated in f32; 4-bit weights, activations and (from the step that says so) cache, groups of ${first?.groupSize}, ${first?.outliers} outlier channels, calibrated on ${first?.samples} windows of 256 tokens. Each row adds one thing to the row above. The published code is Atom's own simulated quantization, run in PyTorch ([golden/README.md](../golden/README.md)); it has no steps beyond \`atom-paper\`. The twin's weights are scaled so that a few channels tower over the others and the function stays the same.`,
      { drawing: 'ladder', title: 'Loss of each step', svg: lossChart(ladders) },
      table(['', ...headings], rows),
      ...goalTableOf(ladders, goals),
      ...sources(...ladders),
    ],
  };
}

/** Half of what Atom's published code loses with all its steps. */
function goals({ data }: Ladder): Goal[] {
  return lossesOf(data).map(({ own, published }) => ({
    ...{ what: `${data.model}: loss of the last step, of the published code's`, goal: 0.5, unit: 'percent' },
    ...{ atMost: true, measured: own.increase / published.increase },
  }));
}

interface Loss {
  /** Of the perplexity, in all steps. */
  readonly increase: number;
  /** The same as a part of the perplexity before the first step. */
  readonly change: number;
}

/** What all our steps lose, and all of the published code's; nothing where either was not measured. */
export function lossesOf({ rows }: Ladder['data']): { readonly own: Loss; readonly published: Loss }[] {
  const [baseline] = rows;
  const published = rows.flatMap(({ golden }) => golden ?? []).at(-1);
  const last = rows.at(-1)?.perplexity;
  if (baseline?.golden === undefined || published === undefined || last === undefined) return [];
  const loss = (before: number, after: number): Loss => ({
    increase: after - before,
    change: after / before - 1,
  });
  return [{ own: loss(baseline.perplexity, last), published: loss(baseline.golden, published) }];
}

function figures(rung: Rung | undefined, isLast: boolean): string[] {
  if (rung === undefined) return ['', ''];
  const ours = fixed(rung.perplexity, 2);
  return [isLast ? `**${ours}**` : ours, rung.golden === undefined ? '' : fixed(rung.golden, 2)];
}

function lossChart(ladders: readonly Ladder[]): string {
  const colours = ['c0', 'c1'] as const;
  const steps = ladders[0]?.data.rows.slice(1) ?? [];
  const rows = steps.map(({ name }, index): Row => {
    const marks = ladders.flatMap(({ data }, place): Mark[] => {
      const [baseline] = data.rows;
      const rung = data.rows[index + 1];
      if (baseline === undefined || rung === undefined) return [];
      const colour = colours[place % 2]!;
      const loss = (value: number) => 100 * (value / baseline.perplexity - 1);
      const published: Mark[] =
        rung.golden === undefined ? [] : [{ value: loss(rung.golden), colour, kind: 'circle' }];
      return [...published, { value: loss(rung.perplexity), colour, kind: 'dot' }];
    });
    const figure = ladders.map(({ data }) => lossText(data.rows[0], data.rows[index + 1])).join(' / ');
    return { name, marks, figure };
  });
  const losses = rows.flatMap(({ marks }) => marks.map(({ value }) => value)).filter((value) => value > 0);
  return rowChart({
    title: 'Perplexity lost, step by step',
    legend: [
      ...ladders.map(({ data }, place) => ({ name: data.model, colour: colours[place % 2]! })),
      { name: 'rings: published code', colour: 'peer', dashed: true },
    ],
    rows,
    xLabel: 'percent over full precision, log scale',
    scale: (range) => logScale([Math.min(...losses) * 0.8, Math.max(...losses) * 1.15], range),
  });
}

function lossText(baseline: Rung | undefined, rung: Rung | undefined): string {
  if (baseline === undefined || rung === undefined) return '';
  return percentChange(rung.perplexity / baseline.perplexity - 1);
}
