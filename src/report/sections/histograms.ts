// How values are spread: weights on a linear count, activations on a logarithmic one since their tails are the point.
// Below each, a line for every value that the quantized numbers can take.
import { countText } from '../format.ts';
import { stepPath } from '../marks.ts';
import { type Markup, markup, nothing } from '../markup.ts';
import { figure, section } from '../page.ts';
import { across, fieldWidth, plot } from '../plot.ts';
import { extent, linearScale, logScale, positive, type Scale } from '../scales.ts';
import type { Histogram } from '../types.ts';

const height = 110;
/** Bins drawn of one histogram; finer ones are summed. */
const mostBins = 160;

export function histogramSection(histograms: readonly Histogram[]): Markup {
  const drawn = histograms.filter(({ counts, edges }) => counts.length > 0 && edges.length > 1).map(drawOne);
  if (drawn.length === 0) return nothing;
  const hasCodes = histograms.some(({ codes }) => codes !== undefined && codes.length > 0);
  const lede = markup`Weights are counted on a linear scale, activations on a logarithmic one: their long tails are what makes four bits hard.${hasCodes ? ' The marks below each axis are the values that the quantized numbers can take.' : ''}`;
  return section('What the numbers look like', lede, markup`<div class="many">${drawn}</div>`);
}

function drawOne(histogram: Histogram): Markup {
  const { title, kind, codes } = histogram;
  const { edges, counts } = thinned(histogram);
  const x = linearScale(extent(edges), [0, fieldWidth]);
  const largest = extent(positive(counts), [0, 1])[1];
  const y =
    kind === 'weight'
      ? linearScale([0, largest], [height, 0])
      : logScale([0.5, Math.max(1, largest) * 1.5], [height, 0]);
  const colour = kind === 'weight' ? 'c0' : 'c2';
  const total = positive(counts).reduce((sum, count) => sum + count, 0);
  const marks = markup`<path class="area ${colour}" d="${stepPath(edges, counts, x, y)}"/>`;
  const overlay = codes === undefined ? nothing : codeMarks(codes, x);
  return figure(
    markup`<h3>${title} <span class="note">${countText(total)} values</span></h3>${plot({ label: title, height, x, y, xTicks: 4, yTicks: 3, marks, overlay })}`,
  );
}

function codeMarks(codes: readonly number[], x: Scale): Markup[] {
  return Array.from(codes)
    .filter((code) => code >= x.domain[0] && code <= x.domain[1])
    .slice(0, 256)
    .map((code) => {
      const at = across(x.place(code));
      return markup`<line class="hair c1" x1="${at}" x2="${at}" y1="${height}" y2="${height + 6}"/>`;
    });
}

/** Neighbouring bins summed until there are few enough. edges (bins + 1), counts (bins). */
function thinned({ edges, counts }: Histogram): { edges: number[]; counts: number[] } {
  const bins = Math.min(counts.length, edges.length - 1);
  const stride = Math.ceil(bins / mostBins);
  const result = { edges: [edges[0] ?? Number.NaN], counts: [] as number[] };
  for (let start = 0; start < bins; start += stride) {
    const end = Math.min(bins, start + stride);
    let sum = 0;
    for (let bin = start; bin < end; bin++) sum += finiteOrZero(counts[bin]);
    result.counts.push(sum);
    result.edges.push(edges[end] ?? Number.NaN);
  }
  return result;
}

function finiteOrZero(value = 0): number {
  return Number.isFinite(value) ? value : 0;
}
