// Where the bits went and what they cost: one map of the bits of every linear of every layer, one of the error each
// makes, and in words why some got other bits than most.
import { fixed, percent, significant } from '../format.ts';
import { type HeatmapCell, heatmap } from '../heatmap.ts';
import { type Markup, markup, nothing } from '../markup.ts';
import { figure, section } from '../page.ts';
import { extent, logScale, positive } from '../scales.ts';
import type { LayerReport } from '../types.ts';
import { bitsText, choiceTable, type Placed } from './choices.ts';

export function precisionSection(layers: readonly LayerReport[], averageBits: number): Markup {
  const placed = layers.flatMap((layer) => layer.linears.map((linear) => ({ layer: layer.index, linear })));
  if (placed.length === 0) return nothing;
  const usual = usualBits(placed);
  const unusual = placed.filter(({ linear }) => bitsText(linear) !== usual);
  const worst = placed.reduce((most, next) => (next.linear.error > most.linear.error ? next : most));
  const caption = markup`The largest error, ringed: ${percent(worst.linear.error)} of the output of ${worst.linear.name} in layer ${String(worst.layer)}.`;
  return section('Where the bits went', lede(usual, unusual.length, placed.length, averageBits), [
    figure(bitsMap(layers), bitsLegend(placed, layers)),
    figure(
      errorMap(layers, worst),
      markup`<span class="legend c1"><span>${percent(worst.linear.error)} <i class="ramp" style="transform:scaleX(-1)"></i> ${percent(extent(errorsOf(placed))[0])} relative error of the output</span></span> ${caption}`,
    ),
    choiceTable(unusual, placed),
  ]);
}

function lede(usual: string, unusual: number, all: number, averageBits: number): Markup {
  const average = markup`${fixed(averageBits, 2)} bits per weight on average, scales counted.`;
  if (unusual === 0) return markup`${average} All ${String(all)} linears are ${usual}.`;
  return markup`${average} ${String(all - unusual)} of ${String(all)} linears are ${usual}; ${String(unusual)} ${unusual === 1 ? 'differs' : 'differ'}, because measurement said so.`;
}

function usualBits(placed: readonly Placed[]): string {
  const counts = new Map<string, number>();
  for (const { linear } of placed) counts.set(bitsText(linear), (counts.get(bitsText(linear)) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? '';
}

/** Linears in the order in which layers first name them. */
function linearNames(layers: readonly LayerReport[]): string[] {
  return [...new Set(layers.flatMap((layer) => layer.linears.map((linear) => linear.name)))];
}

function shortName(name: string): string {
  return name.replace(/_proj$/, '');
}

/** 2 bits are pale, 16 full. */
function bitsTone(bits: number): number {
  return Number.isFinite(bits) ? 0.1 + 0.9 * ((Math.log2(Math.max(1, bits)) - 0.6) / 3.4) ** 1.35 : 0;
}

function bitsMap(layers: readonly LayerReport[]): Markup {
  const names = linearNames(layers);
  const linears = layers.flatMap((layer, column) =>
    layer.linears.map((linear): HeatmapCell => {
      const { weightBits, activationBits } = linear;
      const text =
        weightBits === activationBits
          ? fixed(weightBits, 0)
          : `${fixed(weightBits, 0)}/${fixed(activationBits, 0)}`;
      const reason = linear.reason === undefined ? '' : `\n${linear.reason}`;
      return {
        column,
        row: names.indexOf(linear.name),
        tone: bitsTone(weightBits),
        text,
        tip: `Layer ${layer.index}, ${linear.name}: ${bitsText(linear)}${reason}`,
      };
    }),
  );
  const caches = layers.map((layer, column): HeatmapCell => {
    return {
      column,
      row: names.length,
      tone: bitsTone(layer.kvBits),
      text: fixed(layer.kvBits, 0),
      tip: `Layer ${layer.index}, KV cache: ${fixed(layer.kvBits, 0)} bits`,
    };
  });
  return heatmap({
    label: 'Bits of every linear and of the KV cache, layer by layer',
    colour: 'c0',
    rowNames: [...names.map(shortName), 'KV cache'],
    columnNames: layers.map((layer) => String(layer.index)),
    cells: [...linears, ...caches],
  });
}

function bitsLegend(placed: readonly Placed[], layers: readonly LayerReport[]): Markup {
  const bits = [
    ...new Set([...placed.map(({ linear }) => linear.weightBits), ...layers.map((layer) => layer.kvBits)]),
  ]
    .filter(Number.isFinite)
    .sort((a, b) => a - b);
  const entries = bits.map(
    (count) =>
      markup`<span class="c0"><i style="opacity:${bitsTone(count)}"></i><span>${fixed(count, 0)} bits</span></span>`,
  );
  const mixed = placed.some(({ linear }) => linear.weightBits !== linear.activationBits);
  return markup`<span class="legend">${entries}<span>Layers across.${mixed ? ' 4/8: weights of 4 bits, activations of 8.' : ''}</span></span>`;
}

function errorsOf(placed: readonly Placed[]): number[] {
  return positive(placed.map(({ linear }) => linear.error));
}

function errorMap(layers: readonly LayerReport[], worst: Placed): Markup {
  const names = linearNames(layers);
  const errors = errorsOf(
    layers.flatMap((layer) => layer.linears.map((linear) => ({ layer: layer.index, linear }))),
  );
  const scale = logScale(extent(errors, [0.01, 0.1]), [0.06, 0.95]);
  const cells = layers.flatMap((layer, column) =>
    layer.linears.map((linear): HeatmapCell => {
      const tip = `Layer ${layer.index}, ${linear.name}: error ${significant(linear.error)} of the output`;
      const isMarked = worst.layer === layer.index && worst.linear.name === linear.name;
      const text = fixed(linear.error * 100, linear.error < 0.095 ? 1 : 0);
      return {
        column,
        row: names.indexOf(linear.name),
        tone: scale.place(linear.error),
        text,
        tip,
        isMarked,
      };
    }),
  );
  return heatmap({
    label: 'Relative output error of every linear, layer by layer',
    colour: 'c1',
    rowNames: names.map(shortName),
    columnNames: layers.map((layer) => String(layer.index)),
    cells,
  });
}
