// The frame of a plot: axes, grid, words. Widths are percentages and heights are pixels, so that a plot fills a screen
// or a phone while its words keep their size; marks (marks.ts) are drawn in a field of 1000 units by `height` pixels.
import { tickText } from './format.ts';
import { type Markup, markup, nothing } from './markup.ts';
import type { Scale } from './scales.ts';

/** Units from the left to the right end of a field. */
export const fieldWidth = 1000;

export interface PlotOptions {
  /** What a reader who cannot see it is told. */
  readonly label: string;
  /** Pixels of the field, axes not counted. */
  readonly height: number;
  /** Range [0, fieldWidth]. */
  readonly x: Scale;
  /** Range [height, 0]. */
  readonly y: Scale;
  readonly xLabel?: string;
  /** Stands above the axis, read without turning the head. */
  readonly yLabel?: string;
  /** How many tick marks to aim for; 0 for none. */
  readonly xTicks?: number;
  readonly yTicks?: number;
  /** Drawn in field units. */
  readonly marks: Markup | readonly Markup[];
  /** Drawn over it with percentages across and pixels down: words and dots. */
  readonly overlay?: Markup | readonly Markup[];
  /** 'bare' has no room for words on the left, 'direct' has some on the right. */
  readonly variant?: 'bare' | 'direct';
}

export function plot(options: PlotOptions): Markup {
  const { label, height, x, y, xTicks = 6, yTicks = 4, variant, marks, overlay = nothing } = options;
  return markup`<div class="${variant === undefined ? 'plot' : `plot ${variant}`}"><svg height="${height}" role="img" aria-label="${label}">${yAxis(y, yTicks)}${field(height, marks)}<line class="base" x1="0" x2="100%" y1="${height}" y2="${height}"/>${xAxis(x, height, xTicks)}${axisNames(options)}${overlay}</svg></div>`;
}

/** A stretchable field inside an svg whose width is in percent. Strokes keep their width (theme.ts). */
export function field(height: number, marks: Markup | readonly Markup[]): Markup {
  return markup`<svg viewBox="0 0 ${fieldWidth} ${height}" preserveAspectRatio="none" width="100%" height="${height}" overflow="visible">${marks}</svg>`;
}

/** Field units across, as an svg attribute. */
export function across(place: number): Markup {
  return markup`${(place / fieldWidth) * 100}%`;
}

function yAxis(y: Scale, count: number): Markup[] {
  if (count === 0) return [];
  return y.ticks(count).map((tick) => {
    const at = y.place(tick);
    return markup`<line class="grid" x1="0" x2="100%" y1="${at}" y2="${at}"/><text class="end" x="-8" y="${at + 4}">${tickText(tick)}</text>`;
  });
}

function xAxis(x: Scale, height: number, count: number): Markup[] {
  if (count === 0) return [];
  return x.ticks(count).map((tick) => {
    const at = x.place(tick);
    // The first and the last word must not reach past the edge of a phone.
    const anchor = at > fieldWidth * 0.985 ? 'end' : at < fieldWidth * 0.005 ? 'start' : 'mid';
    return markup`<text class="${anchor}" x="${across(at)}" y="${height + 16}">${tickText(tick)}</text>`;
  });
}

function axisNames({ xLabel, yLabel, height, xTicks }: PlotOptions): Markup {
  const below = height + (xTicks === 0 ? 16 : 32);
  const xName =
    xLabel === undefined ? nothing : markup`<text class="mid" x="50%" y="${below}">${xLabel}</text>`;
  const yName = yLabel === undefined ? nothing : markup`<text x="-8" y="-12">${yLabel}</text>`;
  return markup`${xName}${yName}`;
}
