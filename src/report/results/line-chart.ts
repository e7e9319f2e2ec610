// Lines over numbers that double, in panels side by side that share their legend.
import { tickText } from '../format.ts';
import { curvePath, dotPath, type Point } from '../marks.ts';
import { type Markup, markup } from '../markup.ts';
import { extent, linearScale, logScale, positive, rounded } from '../scales.ts';
import { drawing, type LegendEntry, margin, top, width } from './drawing.ts';

export interface Line extends LegendEntry {
  readonly points: readonly Point[];
}

export interface Panel {
  readonly title: string;
  readonly xLabel: string;
  readonly lines: readonly Line[];
  /** Top of the axis; by default what the lines need. */
  readonly most?: number;
  readonly isLog?: boolean;
}

const height = 230;
const gap = 64;
const leftOfAxis = 36;

export function lineChart(title: string, panels: readonly Panel[]): string {
  const rows = Math.ceil(panels.length / 2);
  const columns = Math.min(2, panels.length);
  const panelWidth = (width - 2 * margin - (columns - 1) * gap) / columns - leftOfAxis;
  const legend = new Map(panels.flatMap(({ lines }) => lines.map((line) => [line.name, line])));
  const body = panels.map((panel, index) => {
    const left = margin + leftOfAxis + (index % 2) * (panelWidth + leftOfAxis + gap);
    const upper = top + 22 + Math.floor(index / 2) * (height + 84);
    return drawPanel(panel, { left, right: left + panelWidth, upper, lower: upper + height });
  });
  return drawing({
    title,
    description: `${title}: ${panels.map((panel) => panel.title).join('; ')}`,
    height: top + rows * (height + 84) - 4,
    legend: [...legend.values()],
    body,
  });
}

interface Box {
  readonly left: number;
  readonly right: number;
  readonly upper: number;
  readonly lower: number;
}

function drawPanel({ title, xLabel, lines, most, isLog }: Panel, { left, right, upper, lower }: Box): Markup {
  const points = lines.flatMap((line) => line.points);
  const span = positive(points.map(({ y }) => y));
  const x = logScale(extent(positive(points.map((point) => point.x))), [left, right]);
  const y = isLog
    ? logScale(extent(span), [lower, upper])
    : linearScale([0, most ?? rounded([0, extent(span)[1]])[1]], [lower, upper]);
  const places = [...new Set(points.map((point) => point.x))].sort((a, b) => a - b);
  const stride = Math.ceil(places.length / 10);
  return markup`<text class="strong" x="${left - leftOfAxis + 4}" y="${upper - 14}">${title}</text>${y
    .ticks(5)
    .map(
      (tick) =>
        markup`<line class="grid" x1="${left}" x2="${right}" y1="${y.place(tick)}" y2="${y.place(tick)}"/><text class="end" x="${left - 6}" y="${y.place(tick) + 4}">${tickText(tick)}</text>`,
    )}<line class="base" x1="${left}" x2="${right}" y1="${lower}" y2="${lower}"/>${places
    .filter((_, index) => index % stride === 0)
    .map(
      (place) => markup`<text class="mid" x="${x.place(place)}" y="${lower + 17}">${tickText(place)}</text>`,
    )}<text class="mid" x="${(left + right) / 2}" y="${lower + 36}">${xLabel}</text>${lines.map(
    (line) =>
      markup`<path class="curve ${line.colour}${line.dashed ? ' dashed' : ''}" d="${curvePath(line.points, x, y)}"/><path class="dots ${line.colour}" d="${dotPath(line.points, x, y)}"/>`,
  )}`;
}
