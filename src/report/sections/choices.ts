// Why a linear got its bits: a row each, with a small curve of how much every choice would have hurt.
import { fixed, percent, significant } from '../format.ts';
import { curvePath, dotPath, type Point } from '../marks.ts';
import { type Markup, markup, nothing } from '../markup.ts';
import { field, fieldWidth } from '../plot.ts';
import { extent, linearScale, logScale, positive } from '../scales.ts';
import type { LinearReport } from '../types.ts';

export interface Placed {
  readonly layer: number;
  readonly linear: LinearReport;
}

/** Such as 'W4A8'. */
export function bitsText({ weightBits, activationBits }: LinearReport): string {
  return `W${bitCount(weightBits)}A${bitCount(activationBits)}`;
}

function bitCount(bits: number): string {
  return fixed(bits, bits % 1 === 0 ? 0 : 1);
}

/** Rows shown before the reader asks for all. */
const rowsInSight = 12;

/** `unusual` in sight, the largest errors first; `all` behind a fold. */
export function choiceTable(unusual: readonly Placed[], all: readonly Placed[]): Markup {
  const byError = [...unusual].sort((a, b) => b.linear.error - a.linear.error);
  const shown = byError.slice(0, rowsInSight);
  const inSight = shown.length === 0 ? nothing : table(shown);
  const rest =
    unusual.length > shown.length ? `The ${rowsInSight} with the largest errors of ${unusual.length}. ` : '';
  return markup`${inSight}${rest === '' ? nothing : markup`<p class="note">${rest}</p>`}<details><summary>All ${String(all.length)} linears</summary>${table(all)}</details>`;
}

function table(rows: readonly Placed[]): Markup {
  const hasSensitivity = rows.some(({ linear }) => linear.sensitivity !== undefined);
  const hasReason = rows.some(({ linear }) => linear.reason !== undefined);
  const head = markup`<tr><th class="num">Layer</th><th>Linear</th><th>Bits</th><th class="num">Error</th>${hasSensitivity ? markup`<th>Harm by bits, log</th>` : nothing}${hasReason ? markup`<th>Why</th>` : nothing}</tr>`;
  const body = rows.map(
    ({ layer, linear }) =>
      markup`<tr><td class="num">${String(layer)}</td><td>${linear.name}</td><td class="nowrap">${bitsText(linear)}</td><td class="num">${percent(linear.error, 2)}</td>${hasSensitivity ? markup`<td class="spark">${sparkline(linear)}</td>` : nothing}${hasReason ? markup`<td>${linear.reason}</td>` : nothing}</tr>`,
  );
  return markup`<div class="wide"><table><thead>${head}</thead><tbody>${body}</tbody></table></div>`;
}

const sparkHeight = 24;

/** Harm against bits, the chosen ones in red. */
function sparkline({ sensitivity = {}, weightBits }: LinearReport): Markup {
  const points = Object.entries(sensitivity)
    .map(([bits, harm]): Point => ({ x: Number(bits), y: harm }))
    .filter((point) => Number.isFinite(point.x) && point.y > 0)
    .sort((a, b) => a.x - b.x);
  if (points.length < 2) return nothing;
  // One step per choice: what counts is the order, and 16 bits would else squeeze the rest.
  const places = points.map((point, index): Point => ({ x: index, y: point.y }));
  const x = linearScale([0, points.length - 1], [30, fieldWidth - 30]);
  const y = logScale(extent(positive(points.map((point) => point.y))), [sparkHeight - 4, 4]);
  const chosen = places.filter((_, index) => points[index]?.x === weightBits);
  const tip = points.map((point) => `${point.x} bits: ${significant(point.y)}`).join('\n');
  const marks = markup`<path class="hair peer" d="${curvePath(places, x, y)}"/><path class="dots peer" d="${dotPath(places, x, y)}"/><path class="dots c1" d="${dotPath(chosen, x, y)}"/>`;
  return markup`<svg height="${sparkHeight}" data-tip="${tip}" role="img" aria-label="${tip}">${field(sparkHeight, marks)}</svg>`;
}
