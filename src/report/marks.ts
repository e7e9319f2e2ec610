// What is drawn in the field of a plot: curves, steps, areas, envelopes, spikes, dots. Bad numbers leave gaps.
import { coordinate } from './markup.ts';
import type { Scale } from './scales.ts';

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Path data of a line through the points; what has no place is left out and interrupts it. */
export function curvePath(points: readonly Point[], x: Scale, y: Scale): string {
  let path = '';
  let isDrawing = false;
  for (const point of points) {
    const hasPlace = isPlaced(point.x, x) && isPlaced(point.y, y);
    if (hasPlace) path += `${isDrawing ? 'L' : 'M'}${pair(x.place(point.x), y.place(point.y))}`;
    isDrawing = hasPlace;
  }
  return path;
}

/** Path data that shows as round dots when stroked with round caps, whatever the stretch of the field. */
export function dotPath(points: readonly Point[], x: Scale, y: Scale): string {
  return points
    .filter((point) => isPlaced(point.x, x) && isPlaced(point.y, y))
    .map((point) => `M${pair(x.place(point.x), y.place(point.y))}h0`)
    .join('');
}

/** Path data of a histogram's outline, closed along the bottom. edges (bins + 1), heights (bins). */
export function stepPath(edges: readonly number[], heights: readonly number[], x: Scale, y: Scale): string {
  const bottom = coordinate(y.place(y.domain[0]));
  let path = '';
  for (let bin = 0; bin < heights.length && bin + 1 < edges.length; bin++) {
    const left = coordinate(x.place(edges[bin] ?? Number.NaN));
    const top = coordinate(y.place(heights[bin] ?? Number.NaN));
    path += `${bin === 0 ? `M${left} ${bottom}` : ''}V${top}H${coordinate(x.place(edges[bin + 1] ?? Number.NaN))}`;
  }
  return path === '' ? '' : `${path}V${bottom}Z`;
}

export interface Envelope {
  /** (bins) smallest and largest finite value of each stretch of neighbours; NaN where there is none. */
  readonly low: readonly number[];
  readonly high: readonly number[];
}

/** Cuts a long row of values into at most `bins` stretches, so that no spike is lost however few are drawn. */
export function envelope(values: readonly number[], bins: number): Envelope {
  const count = Math.min(Math.max(1, Math.floor(bins)), values.length);
  const low = new Array<number>(count).fill(Number.NaN);
  const high = new Array<number>(count).fill(Number.NaN);
  for (let bin = 0; bin < count; bin++) {
    const end = Math.floor(((bin + 1) * values.length) / count);
    for (let index = Math.floor((bin * values.length) / count); index < end; index++) {
      const value = values[index] ?? Number.NaN;
      if (!Number.isFinite(value)) continue;
      if (!(value >= (low[bin] ?? 0))) low[bin] = value;
      if (!(value <= (high[bin] ?? 0))) high[bin] = value;
    }
  }
  return { low, high };
}

/** Path data of the area between the two sides, spread over [from, to] in field units; whole units suffice. */
export function envelopePath(
  { low, high }: Envelope,
  y: Scale,
  [from, to]: readonly [number, number],
): string {
  const step = (to - from) / Math.max(1, high.length);
  const present = [...high.keys()].filter((bin) => Number.isFinite(high[bin] ?? Number.NaN));
  if (present.length === 0) return '';
  let there = '';
  let back = '';
  for (const bin of present) {
    const left = tenth(from + bin * step);
    const right = tenth(from + (bin + 1) * step);
    const top = y.place(high[bin] ?? 0);
    // A stretch of equal values still shows as a line.
    const bottom = Math.max(y.place(low[bin] ?? 0), top + 1);
    there += `${there === '' ? 'M' : 'L'}${left} ${tenth(top)}H${right}`;
    back = `L${right} ${tenth(bottom)}H${left}${back}`;
  }
  return `${there}${back}Z`;
}

function isPlaced(value: number, scale: Scale): boolean {
  return Number.isFinite(value) && (scale.kind === 'linear' || value > 0);
}

function pair(x: number, y: number): string {
  return `${coordinate(x)} ${coordinate(y)}`;
}

function tenth(value: number): string {
  return coordinate(Math.round(value * 10) / 10);
}
