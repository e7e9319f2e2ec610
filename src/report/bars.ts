// Bars in rows: a name, a figure, a bar that starts at the row's reference. Plain boxes with percentages, so that names
// stay text of full size on every screen.
import { tickText } from './format.ts';
import { coordinate, type Markup, markup, nothing } from './markup.ts';
import type { Scale } from './scales.ts';

export interface BarOptions {
  /** Range [0, 100]; its low end is where bars start. */
  readonly scale: Scale;
  readonly value: number;
  /** Class of the bar's colour. */
  readonly colour: string;
  readonly ticks?: readonly number[];
  /** A dashed mark across the row. */
  readonly ceiling?: number;
  /** What the pointer is told. */
  readonly tip?: string;
  readonly className?: string;
}

/** A bar that ends in a point has its value beyond the end of the scale. */
export function bar({ scale, value, colour, ticks = [], ceiling, tip, className = '' }: BarOptions): Markup {
  const isBeyond = value > scale.domain[1] * (1 + 1e-9);
  const isNumber = !Number.isNaN(value);
  const lines = ticks.map((tick) => markup`<u style="left:${coordinate(scale.place(tick))}%"></u>`);
  const dash =
    ceiling === undefined
      ? nothing
      : markup`<u class="dash" style="left:${coordinate(scale.place(ceiling))}%"></u>`;
  const box = isNumber
    ? markup`<b class="${isBeyond ? 'beyond' : ''}" style="width:${coordinate(scale.place(value))}%"></b>`
    : nothing;
  const words = tip === undefined ? nothing : markup` data-tip="${tip}"`;
  return markup`<div class="bar ${colour} ${className}"${words}>${lines}${dash}${box}</div>`;
}

/** The numbers above a column of bars. */
export function barAxis(scale: Scale, ticks: readonly number[], className = ''): Markup {
  const marks = ticks.map(
    (tick) => markup`<span style="left:${coordinate(scale.place(tick))}%">${tickText(tick)}</span>`,
  );
  return markup`<div class="axis ${className}">${marks}</div>`;
}
