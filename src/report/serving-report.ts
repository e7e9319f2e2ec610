// The page of `atom bench serve` and `atom bench compare`: the bars of one memory first in figures, then all drawings.
import { byteText, fixed, significant } from './format.ts';
import { page } from './page.ts';
import { commandSection } from './sections/command.ts';
import { opening } from './sections/opening.ts';
import { servingSections } from './sections/serving.ts';
import type { BenchReport, KeyFigure } from './types.ts';

/** One self-contained HTML file as text. Never throws on bad numbers. */
export function renderServingReport(report: BenchReport): string {
  const { title, fixedMemory, command, settings = [] } = report;
  const lede = fixedMemory
    ? `Every scheme in ${byteText(fixedMemory.bytes)} for weights and cache, measured in turn in one run.`
    : 'Every scheme, measured on the same requests.';
  return page(report, [
    opening({ kind: 'Benchmark', title, lede, figures: keyFigures(report) }),
    ...servingSections(report),
    commandSection(
      command,
      settings,
      'Figures differ between machines and between runs; ratios within a run are what to compare.',
    ),
  ]);
}

/** Tokens per second in the same memory, the first scheme as the yardstick. */
function keyFigures({ fixedMemory }: BenchReport): KeyFigure[] {
  const [first, ...others] = fixedMemory?.bars ?? [];
  if (!first) return [];
  const figureOf = ({ scheme, batch, tokensPerSecond }: typeof first, ratio?: number) => ({
    value: significant(tokensPerSecond),
    label: scheme,
    note: `tokens/s, ${fixed(batch, 0)} sequences${ratio === undefined ? '' : `, ${fixed(ratio, 2)}x`}`,
  });
  const rest = others.map((each) => figureOf(each, each.tokensPerSecond / first.tokensPerSecond));
  return [figureOf(first), ...rest];
}
