// The picture behind Atom: the magnitudes of an input's channels in the model's order, and after reordering, when the
// outliers stand at the end where they can be kept in higher precision. Long rows are drawn as envelopes.
import { type ChannelFacts, channelFacts } from '../channels.ts';
import { fixed } from '../format.ts';
import { envelope, envelopePath } from '../marks.ts';
import { type Markup, markup, nothing } from '../markup.ts';
import { figure, section } from '../page.ts';
import { fieldWidth, plot } from '../plot.ts';
import { extent, type Interval, linearScale, logScale, positive, type Scale } from '../scales.ts';
import type { ChannelInput, ChannelReport } from '../types.ts';

const inputNames: Readonly<Record<ChannelInput, string>> = {
  qkv: 'input of q, k, v',
  output: 'input of the attention output',
  gateUp: 'input of gate and up',
  down: 'input of down',
};

/** Stretches of the large drawings; a screen shows no more. */
const largeBins = 480;
/** Stretches of all small drawings together, which bounds the file: about 20 bytes each. */
const smallBinsInAll = 14_000;
const mostSmallBins = 110;
const fewestSmallBins = 12;
/** Drawings behind the fold; of deeper models every n-th layer is shown. */
const mostSmall = 480;
/** Outliers drawn one by one in a large drawing. */
const mostSpikes = 256;

interface Drawn {
  readonly report: ChannelReport;
  readonly facts: ChannelFacts;
}

export function channelSection(reports: readonly ChannelReport[]): Markup {
  const all = reports
    .map((report): Drawn => ({ report, facts: channelFacts(report) }))
    .filter(({ report }) => report.magnitudes.length > 0);
  if (all.length === 0) return nothing;
  // Of each kind of input the layer whose channels differ most.
  const kinds = [...new Set(all.map(({ report }) => report.input))];
  const featured = kinds.flatMap((kind) => {
    const ofKind = all.filter(({ report }) => report.input === kind);
    return ofKind.reduce((most, next) => (next.facts.peak > most.facts.peak ? next : most));
  });
  const most = featured.reduce((a, b) => (b.facts.peak > a.facts.peak ? b : a));
  const isTransformed = all.some(({ report }) => report.transformed !== undefined);
  const cure = isTransformed ? 'Transformed and reordered' : 'Reordered';
  const lede = markup`Each mark is one channel: its root mean square over the calibration text, on a log scale. In the model's own order a few tower over their neighbours, ${times(most.facts.peak)} the median in layer ${String(most.report.layer)}, and would take the whole range of their group. ${cure}, the <span class="red">outliers</span> stand last, where they get more bits; what is left reaches ${times(most.facts.normalPeak)}.`;
  return section('Outliers, before and after reordering', lede, [
    markup`${featured.map(large)}`,
    all.length > featured.length ? everyLayer(all) : nothing,
  ]);
}

function times(ratio: number): string {
  return Number.isFinite(ratio) ? `${fixed(ratio, ratio < 10 ? 1 : 0)}\u00a0times` : 'unknown times';
}

function large({ report, facts }: Drawn): Markup {
  const { magnitudes, layer, input } = report;
  const height = 150;
  const y = logScale(magnitudeDomain([...magnitudes, ...facts.final]), [height, 0]);
  const x = linearScale([0, Math.max(1, magnitudes.length - 1)], [0, fieldWidth]);
  const options = { height, x, y, xTicks: 4, yTicks: 3 };
  const name = `Layer ${layer}, ${inputNames[input]}`;
  const after = report.transformed === undefined ? 'reordered' : 'transformed and reordered';
  const before = markup`<path class="area c0" d="${natural(magnitudes, facts, y, largeBins)}"/>${spikes(magnitudes, facts, y)}`;
  return figure(
    markup`<h3>${name} <span class="note">${fixed(magnitudes.length, 0)} channels, ${fixed(facts.kept, 0)} of them outliers</span></h3><div class="pair">${plot({ ...options, label: `${name}, in the model’s order`, marks: before, xLabel: 'channel, in the model’s order' })}${plot({ ...options, label: `${name}, ${after}`, marks: inFinalPlaces(facts, y, largeBins), xLabel: `place, ${after}` })}</div>`,
    markup`Largest over median: ${times(facts.peak)} with all channels, ${times(facts.normalPeak)} without the outliers.`,
  );
}

/** A little air above and below, and never less than a factor of four, so that flat rows look flat. */
function magnitudeDomain(values: readonly number[]): Interval {
  const [low, high] = extent(positive(values), [0.1, 1]);
  const air = Math.max(1.15, Math.sqrt(4 / (high / low)));
  return [low / air, high * air];
}

/** The normal channels where the model has them. */
function natural(magnitudes: readonly number[], { outliers }: ChannelFacts, y: Scale, bins: number): string {
  const normal = Array.from(magnitudes, (value, channel) => (outliers.has(channel) ? Number.NaN : value));
  return envelopePath(envelope(normal, bins), y, [0, fieldWidth]);
}

/** A line for each outlier from the median up: its length is the ratio. */
function spikes(magnitudes: readonly number[], { outliers, median }: ChannelFacts, y: Scale): Markup {
  const from = Math.round(y.place(median));
  // When there are too many to draw, the tallest.
  const shown = [...outliers]
    .sort((a, b) => (magnitudes[b] ?? 0) - (magnitudes[a] ?? 0))
    .slice(0, mostSpikes)
    .sort((a, b) => a - b);
  const lines = shown.map((channel) => {
    const place = Math.round(((channel + 0.5) / magnitudes.length) * fieldWidth * 10) / 10;
    return `M${place} ${from}V${Math.round(y.place(magnitudes[channel] ?? 0) * 10) / 10}`;
  });
  return lines.length === 0 ? nothing : markup`<path class="hair c1" d="${lines.join('')}"/>`;
}

/** All channels in their new places, the outliers on a band of their own colour. */
function inFinalPlaces({ final, kept }: ChannelFacts, y: Scale, bins: number): Markup {
  const normal = final.length - kept;
  const border = (normal / final.length) * fieldWidth;
  const outlierBins = Math.max(4, Math.ceil((bins * kept) / final.length));
  const band =
    kept === 0
      ? nothing
      : markup`<rect class="band c1" x="${border}" y="0" width="${fieldWidth - border}" height="${y.place(y.domain[0])}"/><path class="area c1" d="${envelopePath(envelope(final.slice(normal), outlierBins), y, [border, fieldWidth])}"/>`;
  return markup`${band}<path class="area c0" d="${envelopePath(envelope(final.slice(0, normal), bins), y, [0, border])}"/>`;
}

function everyLayer(all: readonly Drawn[]): Markup {
  const layers = [...new Set(all.map(({ report }) => report.layer))].sort((a, b) => a - b);
  const perLayer = all.length / layers.length;
  const stride = Math.ceil((layers.length * perLayer) / mostSmall);
  const shownLayers = layers.filter((_, index) => index % stride === 0);
  const bins = smallBinsInAll / (shownLayers.length * perLayer * 2);
  const smallBins = Math.floor(Math.min(mostSmallBins, Math.max(fewestSmallBins, bins)));
  const rows = shownLayers.map((layer) => {
    const drawn = all.filter(({ report }) => report.layer === layer).map((item) => small(item, smallBins));
    return markup`<h3 style="margin-top:18px">Layer ${String(layer)}</h3><div class="few">${drawn}</div>`;
  });
  const which = stride === 1 ? 'Every layer' : `Every ${ordinal(stride)} layer`;
  return markup`<details><summary>${which}: model’s order on the left, reordered on the right</summary>${rows}</details>`;
}

function ordinal(count: number): string {
  return count === 2 ? 'second' : count === 3 ? 'third' : `${count}th`;
}

/** Before on the left half, after on the right half of one field. */
function small({ report, facts }: Drawn, bins: number): Markup {
  const height = 44;
  const { final, kept } = facts;
  const y = logScale(magnitudeDomain([...report.magnitudes, ...final]), [height, 0]);
  const half = fieldWidth / 2 - 20;
  const normal = final.length - kept;
  const border = fieldWidth - half + (normal / Math.max(1, final.length)) * half;
  const before = envelopePath(envelope(report.magnitudes, bins), y, [0, half]);
  const after = envelopePath(envelope(final.slice(0, normal), bins), y, [fieldWidth - half, border]);
  const outliers = envelopePath(envelope(final.slice(normal), Math.min(bins, 6)), y, [border, fieldWidth]);
  const name = inputNames[report.input].replace('input of ', '');
  const marks = markup`<path class="area c0" d="${before}${after}"/>${outliers === '' ? nothing : markup`<path class="area c1" d="${outliers}"/>`}`;
  const x = linearScale([0, 1], [0, fieldWidth]);
  const label = `Layer ${report.layer}, ${inputNames[report.input]}`;
  return markup`<div>${plot({ label, height, x, y, xTicks: 0, yTicks: 0, variant: 'bare', marks })}<p class="note">${name}, ${fixed(facts.peak, facts.peak < 10 ? 1 : 0)}× → ${fixed(facts.normalPeak, facts.normalPeak < 10 ? 1 : 0)}×</p></div>`;
}
