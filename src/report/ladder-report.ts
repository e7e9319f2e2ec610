// The report of `atom eval --ablation`: the ladder alone, with its numbers.
import { durationText, percentChange, perplexityText } from './format.ts';
import { type Markup, markup, nothing } from './markup.ts';
import { page, section } from './page.ts';
import { commandSection } from './sections/command.ts';
import { ladderSection } from './sections/ladder.ts';
import { modelFacts, modelLine } from './sections/model.ts';
import { opening } from './sections/opening.ts';
import type { KeyFigure, Ladder, LadderReport, Rung } from './types.ts';

/** One self-contained HTML file as text. Never throws on bad numbers. */
export function renderLadderReport(report: LadderReport): string {
  const { title, model, ladder, recipe } = report;
  return page(report, [
    opening({
      kind: 'Ablation',
      title,
      lede: `${modelLine(model)}. Each row of the ladder adds one step to the row above.`,
      figures: keyFigures(ladder),
    }),
    ladderSection(ladder),
    rungTable(ladder),
    commandSection(report.command, [...(recipe?.lines ?? []), ...modelFacts(model)]),
  ]);
}

function keyFigures({ baseline, steps }: Ladder): KeyFigure[] {
  const figures: KeyFigure[] = [{ value: perplexityText(baseline.perplexity), label: baseline.name }];
  const first = steps[0];
  const last = steps.at(-1);
  for (const step of [first, last === first ? undefined : last]) {
    if (step === undefined) continue;
    const note = percentChange(step.perplexity / baseline.perplexity - 1);
    figures.push({ value: perplexityText(step.perplexity), label: step.name, note });
  }
  return figures;
}

function rungTable({ baseline, steps }: Ladder): Markup {
  if (steps.length === 0) return nothing;
  const row = (rung: Rung, above: Rung | undefined) =>
    markup`<tr><td>${rung.name}</td><td class="num">${perplexityText(rung.perplexity)}</td><td class="num">${percentChange(rung.perplexity / baseline.perplexity - 1)}</td><td class="num hide-small">${above === undefined ? '' : percentChange(rung.perplexity / above.perplexity - 1)}</td><td class="num hide-small">${rung.seconds === undefined ? '' : durationText(rung.seconds)}</td></tr>`;
  const rows = steps.map((step, index) => row(step, steps[index - 1]));
  return section(
    'In numbers',
    nothing,
    markup`<table><thead><tr><th>Recipe</th><th class="num">Perplexity</th><th class="num">Over ${baseline.name}</th><th class="num hide-small">Over the row above</th><th class="num hide-small">Time</th></tr></thead><tbody>${row(baseline, undefined)}${rows}</tbody></table>`,
  );
}
