// Rows with a name each, and marks on one scale: bars that start at its low end, or dots with the interval they lie in.
import { tickText } from '../format.ts';
import { type Markup, markup, nothing } from '../markup.ts';
import type { Scale } from '../scales.ts';
import { drawing, type LegendEntry, margin, textWidth, top, width } from './drawing.ts';

export interface Mark {
  readonly value: number;
  readonly colour: string;
  readonly kind: 'bar' | 'dot' | 'circle';
  readonly interval?: readonly [low: number, high: number];
}

export interface Row {
  readonly name: string;
  readonly marks: readonly Mark[];
  /** Stands at the right. */
  readonly figure?: string;
  /** Stands above the row. */
  readonly heading?: string;
}

export interface RowChartOptions {
  readonly title: string;
  readonly legend?: readonly LegendEntry[];
  readonly rows: readonly Row[];
  readonly xLabel: string;
  /** From a range in pixels to the scale of the marks. */
  readonly scale: (range: readonly [number, number]) => Scale;
}

const rowHeight = 24;
const headingHeight = 30;

export function rowChart({ title, legend, rows, xLabel, scale: scaleOver }: RowChartOptions): string {
  const left = margin + Math.max(...rows.map(({ name }) => textWidth(name))) + 16;
  const right = width - margin - Math.max(0, ...rows.map(({ figure = '' }) => textWidth(figure))) - 14;
  const scale = scaleOver([left, right]);
  const begin = legend === undefined ? top - 24 : top;
  let y = begin;
  const drawn = rows.map((row) => {
    if (row.heading !== undefined) y += headingHeight;
    y += rowHeight;
    return drawRow(row, { scale, y: y - rowHeight / 2, left });
  });
  const grid = scale
    .ticks(8)
    .map(
      (tick) =>
        markup`<line class="grid" x1="${scale.place(tick)}" x2="${scale.place(tick)}" y1="${begin}" y2="${y}"/><text class="mid" x="${scale.place(tick)}" y="${y + 18}">${tickText(tick)}</text>`,
    );
  const axis = markup`<line class="base" x1="${left}" x2="${left}" y1="${begin}" y2="${y}"/><text class="mid" x="${(left + right) / 2}" y="${y + 38}">${xLabel}</text>`;
  return drawing({
    title,
    description: `${title}: ${rows.map(({ name, figure }) => (figure === undefined ? name : `${name} ${figure}`)).join(', ')}`,
    height: y + 56,
    ...(legend && { legend }),
    body: [markup`${grid}`, axis, ...drawn],
  });
}

function drawRow(
  { name, marks, figure, heading }: Row,
  { scale, y, left }: { scale: Scale; y: number; left: number },
): Markup {
  const title =
    heading === undefined
      ? nothing
      : markup`<text class="strong heading" x="${margin}" y="${y - rowHeight / 2 - 6}">${heading}</text>`;
  const words =
    figure === undefined
      ? nothing
      : markup`<text class="strong end" x="${width - margin}" y="${y + 4}">${figure}</text>`;
  return markup`${title}<text class="end" x="${left - 10}" y="${y + 4}">${name}</text>${marks.map((mark) => drawMark(mark, { scale, y, left }))}${words}`;
}

function drawMark(
  { value, colour, kind, interval }: Mark,
  { scale, y, left }: { scale: Scale; y: number; left: number },
): Markup {
  if (!Number.isFinite(value)) return nothing;
  const x = scale.place(value);
  if (kind === 'bar')
    return markup`<rect class="bar ${colour}" x="${left}" y="${y - 7}" width="${x - left}" height="14"/>`;
  const whisker =
    interval === undefined
      ? nothing
      : markup`<line class="whisker ${colour}" x1="${scale.place(interval[0])}" x2="${scale.place(interval[1])}" y1="${y}" y2="${y}"/>`;
  const dot =
    kind === 'dot'
      ? markup`<circle class="bar ${colour}" cx="${x}" cy="${y}" r="4.5"/>`
      : markup`<circle class="hollow ${colour}" cx="${x}" cy="${y}" r="4.5"/>`;
  return markup`${whisker}${dot}`;
}
