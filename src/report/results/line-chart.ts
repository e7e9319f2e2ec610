// Lines over numbers that double, in panels side by side that share their legend.
import { tickText } from '../format.ts';
import { curvePath, dotPath, type Point } from '../marks.ts';
import { type Markup, markup, nothing } from '../markup.ts';
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
  /** Values on a log scale. */
  readonly isLog?: boolean;
  /** Places on a linear scale, without dots. */
  readonly isPlain?: boolean;
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

function drawPanel({ title, xLabel, lines, most, isLog, isPlain }: Panel, box: Box): Markup {
  const { left, right, upper, lower } = box;
  const points = lines.flatMap((line) => line.points);
  const places = [...new Set(points.map((point) => point.x))].sort((a, b) => a - b);
  const span = extent(positive(points.map(({ y }) => y)));
  const x = (isPlain ? linearScale : logScale)(extent(positive(places)), [left, right]);
  const y = isLog
    ? logScale(span, [lower, upper])
    : linearScale([0, most ?? rounded([0, span[1]])[1]], [lower, upper]);
  const stride = Math.ceil(places.length / 10);
  const xTicks = isPlain ? x.ticks(8) : places.filter((_, index) => index % stride === 0);
  const grid = y.ticks(5).map((tick) => {
    const at = y.place(tick);
    return markup`<line class="grid" x1="${left}" x2="${right}" y1="${at}" y2="${at}"/><text class="end" x="${left - 6}" y="${at + 4}">${tickText(tick)}</text>`;
  });
  const below = xTicks.map(
    (tick) => markup`<text class="mid" x="${x.place(tick)}" y="${lower + 17}">${tickText(tick)}</text>`,
  );
  const drawn = lines.map(({ colour, dashed, points: own }) => {
    const dots = isPlain ? nothing : markup`<path class="dots ${colour}" d="${dotPath(own, x, y)}"/>`;
    return markup`<path class="curve ${colour}${dashed ? ' dashed' : ''}" d="${curvePath(own, x, y)}"/>${dots}`;
  });
  return markup`<text class="strong" x="${left - leftOfAxis + 4}" y="${upper - 14}">${title}</text>${grid}<line class="base" x1="${left}" x2="${right}" y1="${lower}" y2="${lower}"/>${below}<text class="mid" x="${(left + right) / 2}" y="${lower + 36}">${xLabel}</text>${drawn}`;
}
