// Where the time went: a bar per stage, and a column per layer.
import { bar } from '../bars.ts';
import { durationText, percent } from '../format.ts';
import { type Markup, markup, nothing } from '../markup.ts';
import { figure, section } from '../page.ts';
import { fieldWidth, plot } from '../plot.ts';
import { extent, linearScale, positive } from '../scales.ts';
import type { LayerReport, Stage } from '../types.ts';

export function timeSection(
  seconds: number,
  stages: readonly Stage[],
  layers: readonly LayerReport[],
): Markup {
  const longest = extent(positive(stages.map((stage) => stage.seconds)), [0, 1])[1];
  const scale = linearScale([0, longest], [0, 100]);
  const rows = stages.map(
    (stage) =>
      markup`<div><span class="name">${stage.name}</span><span class="num">${durationText(stage.seconds)} <span class="note">${percent(stage.seconds / seconds, 0)}</span></span>${bar({ scale, value: stage.seconds, colour: 'c0' })}</div>`,
  );
  const total = markup`${durationText(seconds)} in all${layers.length > 0 ? `, ${durationText(median(layers.map((layer) => layer.seconds)))} for a layer in the middle` : ''}.`;
  return section('Where the time went', total, [
    stages.length === 0 ? nothing : markup`<figure><div class="rows">${rows}</div></figure>`,
    layers.length < 2 ? nothing : layerColumns(layers),
  ]);
}

function layerColumns(layers: readonly LayerReport[]): Markup {
  const height = 84;
  const y = linearScale([0, extent(positive(layers.map((layer) => layer.seconds)), [0, 1])[1]], [height, 0]);
  const x = linearScale([0, layers.length], [0, fieldWidth]);
  const stride = Math.ceil(layers.length / 12);
  const columns = layers.map((layer, index) => {
    const top = y.place(layer.seconds);
    return markup`<rect class="cell c0" x="${x.place(index)}" y="${top}" width="${fieldWidth / layers.length}" height="${height - top}" data-tip="Layer ${String(layer.index)}: ${durationText(layer.seconds)}"/>`;
  });
  const names = layers.map((layer, index) =>
    index % stride === 0
      ? markup`<text class="mid" x="${((index + 0.5) / layers.length) * 100}%" y="${height + 16}">${String(layer.index)}</text>`
      : nothing,
  );
  return figure(
    plot({
      label: 'Seconds per layer',
      height,
      x,
      y,
      xTicks: 0,
      yTicks: 3,
      yLabel: 'seconds per layer',
      marks: columns,
      overlay: names,
    }),
  );
}

function median(values: readonly number[]): number {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
