// What serving benches measured: lines over the batch, bars in one memory, lines over the memory. One colour per scheme
// in all of them.
import { bar, barAxis } from '../bars.ts';
import { byteText, fixed, significant } from '../format.ts';
import { curvePath, dotPath, type Point } from '../marks.ts';
import { type Markup, markup, nothing } from '../markup.ts';
import { figure, section } from '../page.ts';
import { across, fieldWidth, plot } from '../plot.ts';
import { extent, linearScale, logScale, positive, rounded, type Scale } from '../scales.ts';
import type { BenchReport, FixedMemory, MemoryBar, MemorySweep, ServingMeasure } from '../types.ts';

const height = 300;
const colours = ['c0', 'c2', 'c3', 'c4', 'c1'] as const;

interface Line {
  readonly name: string;
  readonly points: readonly Point[];
}

/** Scheme -> class of its colour; peers are grey. */
type Palette = ReadonlyMap<string, string>;

export function servingSections({ serving, fixedMemory, memorySweep }: BenchReport): Markup[] {
  const entries = [...serving, ...(fixedMemory?.bars ?? [])];
  const own = [...new Set(entries.filter(({ peer }) => !peer).map(({ scheme }) => scheme))];
  const palette: Palette = new Map([
    ...entries.filter(({ peer }) => peer).map(({ scheme }) => [scheme, 'peer'] as const),
    ...own.map((scheme, i) => [scheme, colours[i % colours.length]!] as const),
  ]);
  return [
    ...(serving.length > 0 ? [batchSection(serving, palette)] : []),
    ...(fixedMemory ? [fixedMemorySection(fixedMemory, palette)] : []),
    ...(memorySweep ? [sweepSection(memorySweep, palette)] : []),
  ];
}

function batchSection(serving: readonly ServingMeasure[], palette: Palette): Markup {
  const names = [...new Set(serving.map(({ scheme }) => scheme))];
  const lines = (value: (measure: ServingMeasure) => number): Line[] =>
    names.map((name) => ({
      name,
      points: serving
        .filter(({ scheme }) => scheme === name)
        .sort((a, b) => a.batch - b.batch)
        .map((measure) => ({ x: measure.batch, y: value(measure) })),
    }));
  const draw = (label: string, value: (measure: ServingMeasure) => number) =>
    linePlot(lines(value), { label, palette, xLabel: 'sequences together', isLog: true });
  const rows = serving.map(
    ({ scheme, batch, tokensPerSecond, tokenLatency = Number.NaN, tokenLatency99 = Number.NaN }) =>
      markup`<tr><td>${scheme}</td><td class="num">${fixed(batch, Number.isInteger(batch) ? 0 : 1)}</td><td class="num">${significant(tokensPerSecond)}</td><td class="num">${significant(tokenLatency * 1000)}</td><td class="num hide-small">${significant(tokenLatency99 * 1000)}</td></tr>`,
  );
  const table = markup`<details><summary>In numbers</summary><table><thead><tr><th>Scheme</th><th class="num">Sequences</th><th class="num">Tokens/s</th><th class="num">ms per token</th><th class="num hide-small">slowest hundredth</th></tr></thead><tbody>${rows}</tbody></table></details>`;
  return section(
    'Throughput and latency over the batch',
    'All sequences together, and the wait from one token of a sequence to the next (median).',
    [
      figure(
        draw('tokens per second', ({ tokensPerSecond }) => tokensPerSecond),
        legend(names, palette),
      ),
      figure(draw('milliseconds per token', ({ tokenLatency = Number.NaN }) => tokenLatency * 1000)),
      table,
    ],
  );
}

function fixedMemorySection({ bytes, bars, asQuick }: FixedMemory, palette: Palette): Markup {
  const [, most] = extent([...bars, ...(asQuick ?? [])].map(({ tokensPerSecond }) => tokensPerSecond));
  const scale = linearScale(rounded([0, most]), [0, 100]);
  return section(
    `In ${byteText(bytes)} for weights and cache`,
    'Smaller weights and a smaller cache leave room for more sequences, and more sequences share each pass over the weights.',
    [
      barFigure(bars, { scale, palette, axis: 'tokens per second, all that fit' }),
      asQuick
        ? barFigure(asQuick, {
            scale,
            palette,
            axis: `tokens per second, none slower than ${asQuick[0]?.scheme}`,
          })
        : nothing,
    ],
  );
}

function barFigure(
  bars: readonly MemoryBar[],
  { scale, palette, axis }: { scale: Scale; palette: Palette; axis: string },
): Markup {
  const ticks = scale.ticks(5).filter((tick) => tick > 0);
  const rows = bars.map(({ scheme, batch, tokensPerSecond, tokenLatency }) => {
    const latency = tokenLatency === undefined ? '' : `, ${significant(tokenLatency * 1000)} ms`;
    const tip = `${scheme}\n${significant(tokensPerSecond)} tokens/s with ${batch} sequences`;
    const drawn = bar({ scale, value: tokensPerSecond, colour: palette.get(scheme) ?? 'peer', ticks, tip });
    return markup`<div><span class="name">${scheme} <span class="note">${fixed(batch, 0)} sequences${latency}</span></span><span class="num">${significant(tokensPerSecond)}</span>${drawn}</div>`;
  });
  const foot = markup`<div><span class="name note">${axis}</span><span></span>${barAxis(scale, ticks)}</div>`;
  return markup`<figure><div class="rows">${rows}${foot}</div></figure>`;
}

function sweepSection({ schemes, marks }: MemorySweep, palette: Palette): Markup {
  const lines = (value: (point: SweptPoint) => number): Line[] =>
    schemes.map(({ scheme, points }) => ({
      name: scheme,
      points: points.map((point) => ({ x: point.bytes / 1e9, y: value(point) || Number.NaN })),
    }));
  const draw = (label: string, value: (point: SweptPoint) => number) =>
    linePlot(lines(value), {
      label,
      palette,
      xLabel: 'GB for weights and cache',
      isLog: false,
      marks: marks.map(({ bytes, label: text }) => ({ x: bytes / 1e9, label: text })),
    });
  const hasLatency = schemes.some(({ points }) => points.some(({ tokenLatency }) => tokenLatency));
  return section(
    'Over the memory',
    'What fits is counted, and its throughput and latency read off the lines over the batch. A line begins where the weights and one sequence fit.',
    [
      figure(
        draw('tokens per second', ({ tokensPerSecond }) => tokensPerSecond),
        legend(
          schemes.map(({ scheme }) => scheme),
          palette,
        ),
      ),
      hasLatency
        ? figure(draw('milliseconds per token, nine of ten', ({ tokenLatency = 0 }) => tokenLatency * 1000))
        : nothing,
    ],
  );
}

type SweptPoint = MemorySweep['schemes'][number]['points'][number];

interface LinePlotOptions {
  readonly label: string;
  readonly palette: Palette;
  readonly xLabel: string;
  readonly isLog: boolean;
  readonly marks?: readonly { readonly x: number; readonly label: string }[];
}

function linePlot(
  lines: readonly Line[],
  { label, palette, xLabel, isLog, marks = [] }: LinePlotOptions,
): Markup {
  const all = lines.flatMap(({ points }) => points);
  const span = extent(positive(all.map(({ x }) => x)));
  const x = (isLog ? logScale : linearScale)(span, [0, fieldWidth]);
  const y = linearScale(rounded([0, extent(positive(all.map((point) => point.y)))[1]]), [height, 0]);
  const drawn = lines.map(({ name, points }) => {
    const colour = palette.get(name) ?? 'peer';
    const dots = isLog ? markup`<path class="dots ${colour}" d="${dotPath(points, x, y)}"/>` : nothing;
    return markup`<path class="curve ${colour}" d="${curvePath(points, x, y)}"/>${dots}`;
  });
  const words = marks.map(({ x: at, label: text }, i) => {
    const place = across(x.place(at));
    return markup`<line class="dashed" x1="${place}" x2="${place}" y1="0" y2="${height}"/><text class="strong" x="${place}" dx="6" y="${14 + 16 * i}">${text}</text>`;
  });
  return plot({ label, height, x, y, xLabel, yLabel: label, marks: drawn, overlay: words });
}

function legend(names: readonly string[], palette: Palette): Markup {
  const entries = names.map(
    (name) => markup`<span><i class="stroke ${palette.get(name) ?? 'peer'}"></i>${name}</span>`,
  );
  return markup`<span class="legend">${entries}</span>`;
}
