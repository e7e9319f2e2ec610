// Perplexities of several checkpoints: on each text where they lie, how they differ window by window, and what a byte buys.
import { barAxis } from '../bars.ts';
import { byteText, fixed, percentChange, perplexityText } from '../format.ts';
import { dotPath } from '../marks.ts';
import { type Markup, markup, nothing } from '../markup.ts';
import { figure, section } from '../page.ts';
import { across, fieldWidth, plot } from '../plot.ts';
import { extent, type Interval, linearScale, logScale, positive, rounded, type Scale } from '../scales.ts';
import { spot } from '../spots.ts';
import type { ComparedCheckpoint, PerplexityScore } from '../types.ts';

/** Class of a checkpoint's colour, by its place; the yardstick is grey. */
export function checkpointColour(index: number): string {
  return index === 0 ? 'peer' : ['c0', 'c1', 'c2', 'c3', 'c4'][(index - 1) % 5]!;
}

/** Beyond this ratio of largest to smallest, values are drawn on a log scale. */
const logFrom = 3;

function scaleOver(values: readonly number[], range: Interval): Scale {
  const [low, high] = extent(positive(values), [1, 2]);
  if (high / low > logFrom) return logScale([low / 1.1, high * 1.1], range);
  return linearScale(rounded([low, high], 6), range);
}

const textsOf = (checkpoints: readonly ComparedCheckpoint[]) => [
  ...new Set(checkpoints.flatMap(({ perplexities }) => perplexities.map(({ text }) => text))),
];

const scoreOn = ({ perplexities }: ComparedCheckpoint, text: string): PerplexityScore | undefined =>
  perplexities.find((score) => score.text === text);

export function perplexitySection(checkpoints: readonly ComparedCheckpoint[]): Markup {
  const texts = textsOf(checkpoints);
  if (texts.length === 0) return nothing;
  const lede =
    'Lower is better. Lines are 95 % intervals, from the spread of the windows: how much another text of the kind would move the figure.';
  return section(
    'Perplexity',
    lede,
    texts.map((text) => textRows(checkpoints, text)),
  );
}

function textRows(checkpoints: readonly ComparedCheckpoint[], text: string): Markup {
  const scores = checkpoints.map((checkpoint) => scoreOn(checkpoint, text));
  const scale = scaleOver(
    scores.flatMap((score) => [score?.value ?? Number.NaN, ...(score?.interval ?? [])]),
    [0, 100],
  );
  const ticks = scale.ticks(6);
  const rows = checkpoints.map(({ name, scheme }, index) => {
    const { value = Number.NaN, interval } = scores[index] ?? {};
    const range =
      interval === undefined ? '' : `, ${perplexityText(interval[0])} to ${perplexityText(interval[1])}`;
    const tip = `${name}\nperplexity ${fixed(value, 4)}${range}`;
    return markup`<div><span class="name">${name} <span class="note">${scheme}</span></span><span class="num">${perplexityText(value)}</span>${spot({ scale, value, interval, colour: checkpointColour(index), ticks, tip })}</div>`;
  });
  const axis = markup`<div><span class="name note">perplexity${scale.kind === 'log' ? ', log scale' : ''}</span><span></span>${barAxis(scale, ticks)}</div>`;
  return markup`<figure><h3>${text}</h3><div class="rows">${rows}${axis}</div></figure>`;
}

export function changeSection(checkpoints: readonly ComparedCheckpoint[]): Markup {
  const [base, ...others] = checkpoints;
  const texts = textsOf(checkpoints).filter((text) => others.some((other) => scoreOn(other, text)?.change));
  if (base === undefined || texts.length === 0) return nothing;
  const lede = markup`Windows that are hard for one checkpoint are hard for the others, so the differences window by window say far more than the intervals above. An interval that holds the dashed line is no difference that this text can show.`;
  return section(
    `Change against ${base.name}`,
    lede,
    texts.map((text) => changeRows(checkpoints, text)),
  );
}

function changeRows(checkpoints: readonly ComparedCheckpoint[], text: string): Markup {
  const percentOf = (ratio: number) => 100 * (ratio - 1);
  const changes = checkpoints.map((checkpoint) => scoreOn(checkpoint, text)?.change);
  const ends = changes.flatMap((change) => (change ? [...change.interval, change.ratio].map(percentOf) : []));
  const scale = linearScale(rounded(extent([...ends, 0]), 6), [0, 100]);
  const ticks = scale.ticks(6);
  const rows = checkpoints.flatMap(({ name }, index) => {
    const change = changes[index];
    if (change === undefined) return [];
    const [low, high] = change.interval;
    const value = percentOf(change.ratio);
    const words = `${percentChange(low - 1)} to ${percentChange(high - 1)}`;
    const drawn = spot({
      ...{ scale, value, ticks, colour: checkpointColour(index), reference: 0 },
      interval: [percentOf(low), percentOf(high)],
      tip: `${name}\n${percentChange(change.ratio - 1)}, ${words}`,
    });
    return [
      markup`<div><span class="name">${name} <span class="note">${words}</span></span><span class="num">${percentChange(change.ratio - 1)}</span>${drawn}</div>`,
    ];
  });
  const axis = markup`<div><span class="name note">percent</span><span></span>${barAxis(scale, ticks)}</div>`;
  return markup`<figure><h3>${text}</h3><div class="rows">${rows}${axis}</div></figure>`;
}

const height = 280;

export function costSection(checkpoints: readonly ComparedCheckpoint[]): Markup {
  const [text] = textsOf(checkpoints);
  const sized = checkpoints.filter(({ bytes }) => bytes !== undefined && bytes > 0);
  const rows = sized.map(
    ({ name, scheme, bytes = Number.NaN, bitsPerWeight = Number.NaN }) =>
      markup`<tr><td>${name}</td><td>${scheme}</td><td class="num">${byteText(bytes)}</td><td class="num">${fixed(bitsPerWeight, 2)}</td></tr>`,
  );
  if (rows.length === 0) return nothing;
  const table = markup`<table><thead><tr><th>Checkpoint</th><th>Scheme</th><th class="num">Size</th><th class="num">Bits per weight</th></tr></thead><tbody>${rows}</tbody></table>`;
  return section(
    'What it weighs',
    'Of the weight files, embedding, scales and all; bits for each weight of the model as published.',
    [text === undefined || sized.length < 2 ? nothing : sizePlot(checkpoints, text), table],
  );
}

function sizePlot(checkpoints: readonly ComparedCheckpoint[], text: string): Markup {
  const points = checkpoints.map((checkpoint) => ({
    ...{ name: checkpoint.name, x: checkpoint.bitsPerWeight ?? Number.NaN },
    y: scoreOn(checkpoint, text)?.value ?? Number.NaN,
  }));
  const bits = positive(points.map((point) => point.x));
  const x = linearScale(rounded([0, extent(bits, [0, 16])[1] * 1.15]), [0, fieldWidth]);
  const y = scaleOver(
    points.map((point) => point.y),
    [height, 0],
  );
  const dots = points.map(
    (point, index) => markup`<path class="dots ${checkpointColour(index)}" d="${dotPath([point], x, y)}"/>`,
  );
  const words = points.flatMap((point, index) =>
    point.x > 0 && point.y > 0
      ? [
          markup`<text class="own ${checkpointColour(index)}" x="${across(x.place(point.x))}" dx="8" y="${y.place(point.y) + 4}">${point.name}</text>`,
        ]
      : [],
  );
  const label = `perplexity on ${text}${y.kind === 'log' ? ', log scale' : ''}`;
  const drawing = plot({
    ...{ label, height, x, y, marks: dots, overlay: words },
    xLabel: 'bits per weight',
    yLabel: label,
  });
  return figure(drawing);
}
