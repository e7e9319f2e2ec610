// A grid of cells, columns across in percent, rows of fixed height: how dark a cell is tells its number.
import { coordinate, type Markup, markup, nothing } from './markup.ts';
import { across, fieldWidth } from './plot.ts';

export interface HeatmapCell {
  readonly column: number;
  readonly row: number;
  /** 0 to 1: how much of the colour shows. */
  readonly tone: number;
  readonly tip: string;
  /** Written into the cell where there is room. */
  readonly text?: string;
  /** Drawn with a ring around it. */
  readonly isMarked?: boolean;
}

export interface HeatmapOptions {
  readonly label: string;
  readonly colour: string;
  readonly rowNames: readonly string[];
  readonly columnNames: readonly string[];
  readonly cells: readonly HeatmapCell[];
}

const rowHeight = 26;
/** Above this many columns no text fits into a cell; on a phone a third of it. */
const columnsWithText = 36;
/** From this tone on, text in a cell is written in the colour of paper. */
const fullTone = 0.62;

export function heatmap({ label, colour, rowNames, columnNames, cells }: HeatmapOptions): Markup {
  const height = rowNames.length * rowHeight;
  const columnWidth = fieldWidth / Math.max(1, columnNames.length);
  const rows = rowNames.map(
    (name, row) => markup`<text class="end strong" x="-10" y="${(row + 0.5) * rowHeight + 4}">${name}</text>`,
  );
  return markup`<div class="plot bare named"><svg height="${height}" role="img" aria-label="${label}" class="${colour}">${rows}${cells.map((cell) => drawCell(cell, columnWidth, columnNames.length))}${columnMarks(columnNames, columnWidth, height)}</svg></div>`;
}

function drawCell(
  { column, row, tone, tip, text, isMarked }: HeatmapCell,
  width: number,
  columns: number,
): Markup {
  const left = across(column * width);
  const top = row * rowHeight;
  const shown = Math.min(1, Math.max(0, Number.isFinite(tone) ? tone : 0));
  const box = markup`x="${left}" y="${top}" width="${across(width)}" height="${rowHeight}"`;
  const ring = isMarked ? markup`<rect class="ring" ${box}/>` : nothing;
  const isFull = shown >= fullTone;
  const room = columns > columnsWithText / 3 ? ' roomy' : '';
  const words =
    text === undefined || columns > columnsWithText
      ? nothing
      : markup`<text class="mid on-cell${isFull ? ' full' : ''}${room}" x="${across((column + 0.5) * width)}" y="${top + rowHeight / 2 + 4}">${text}</text>`;
  return markup`<rect class="cell" ${box} fill-opacity="${coordinate(shown)}" data-tip="${tip}"/>${ring}${words}`;
}

/** As many column names as fit on a phone, evenly spaced, the first and the last among them where they can be. */
function columnMarks(names: readonly string[], width: number, height: number): Markup[] {
  const stride = [1, 2, 5, 10, 20, 50, 100].find((step) => names.length / step <= 12) ?? 200;
  return names.flatMap((name, index) =>
    index % stride === 0
      ? [markup`<text class="mid" x="${across((index + 0.5) * width)}" y="${height + 15}">${name}</text>`]
      : [],
  );
}
