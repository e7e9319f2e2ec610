// The report of `atom quantize`: what became of a model, how well, and how to do it again.
import { byteText, countText, durationText, fixed, percentChange, perplexityText } from './format.ts';
import { page } from './page.ts';
import { channelSection } from './sections/channels.ts';
import { commandSection } from './sections/command.ts';
import { histogramSection } from './sections/histograms.ts';
import { ladderSection } from './sections/ladder.ts';
import { modelFacts, modelLine } from './sections/model.ts';
import { opening } from './sections/opening.ts';
import { precisionSection } from './sections/precision.ts';
import { sizeSection } from './sections/sizes.ts';
import { timeSection } from './sections/time.ts';
import type { KeyFigure, QuantizationReport } from './types.ts';

/** One self-contained HTML file as text. Never throws on bad numbers. */
export function renderQuantizationReport(report: QuantizationReport): string {
  const { model, recipe, ladder, layers, sizes, averageBits } = report;
  return page(report, [
    opening({
      kind: 'Quantization report',
      title: report.title,
      lede: `${modelLine(model)}, quantized with the recipe ${recipe.name}.`,
      figures: keyFigures(report),
    }),
    ...(ladder === undefined ? [] : [ladderSection(ladder)]),
    precisionSection(layers, averageBits),
    channelSection(report.channels),
    histogramSection(report.histograms),
    sizeSection(sizes),
    timeSection(report.seconds, report.stages, layers),
    commandSection(report.command, [
      { label: 'Recipe', value: recipe.name },
      ...recipe.lines,
      ...modelFacts(model),
    ]),
  ]);
}

function keyFigures({ averageBits, sizes, perplexity, model, seconds }: QuantizationReport): KeyFigure[] {
  const figures: KeyFigure[] = [
    { value: fixed(averageBits, 2), label: 'bits per weight', note: 'of the quantized linears, with scales' },
    {
      value: `${fixed(sizes.before / sizes.after, 2)}×`,
      label: 'smaller',
      note: `${byteText(sizes.before)} → ${byteText(sizes.after)}`,
    },
  ];
  if (perplexity !== undefined) {
    const { before, after, text } = perplexity;
    figures.push({
      value: percentChange((after - before) / before),
      label: 'perplexity',
      note: `${perplexityText(before)} → ${perplexityText(after)}${text === undefined ? '' : `, ${text}`}`,
    });
  }
  figures.push({
    value: durationText(seconds),
    label: 'to quantize',
    note: `${countText(model.parameters)} parameters`,
  });
  return figures;
}
