// Spots in rows: where a figure lies on a scale, with the interval it is known to. Percentages, as bars.ts has them.
import { coordinate, type Markup, markup, nothing } from './markup.ts';
import type { Scale } from './scales.ts';

export interface SpotOptions {
  /** Range [0, 100]. */
  readonly scale: Scale;
  readonly value: number;
  readonly interval?: readonly [low: number, high: number] | undefined;
  /** Class of the spot's colour. */
  readonly colour: string;
  readonly ticks: readonly number[];
  /** A dashed mark across the row: no change, or chance. */
  readonly reference?: number | undefined;
  /** What the pointer is told. */
  readonly tip: string;
}

export function spot({ scale, value, interval, colour, ticks, reference, tip }: SpotOptions): Markup {
  const lines = ticks.map((tick) => markup`<u style="left:${coordinate(scale.place(tick))}%"></u>`);
  const dash =
    reference === undefined || !Number.isFinite(reference)
      ? nothing
      : markup`<u class="dash" style="left:${coordinate(scale.place(reference))}%"></u>`;
  const [low, high] = (interval ?? []).map((end) => scale.place(end));
  const whisker =
    low === undefined || high === undefined || !interval?.every(Number.isFinite)
      ? nothing
      : markup`<s style="left:${coordinate(low)}%;width:${coordinate(Math.max(0, high - low))}%"></s>`;
  const dot = Number.isFinite(value)
    ? markup`<i style="left:${coordinate(scale.place(value))}%"></i>`
    : nothing;
  return markup`<div class="spot ${colour}" data-tip="${tip}">${lines}${dash}${whisker}${dot}</div>`;
}
