// Serving: throughput and latency over the batch, what each scheme does in the same memory, and whether the paper's ratios
// are passed.
import { byteText, fixed, percent, significant } from '../../format.ts';
import { linearScale, rounded } from '../../scales.ts';
import { type Goal, goalTable, greatest } from '../goals.ts';
import { type Line, lineChart, type Panel } from '../line-chart.ts';
import { of, type Section, sources, table } from '../page-parts.ts';
import type { ResultOf } from '../result-file.ts';
import { type Row, rowChart } from '../row-chart.ts';
import { schemeEntry } from '../scheme-colours.ts';

type Curves = ResultOf<'curves'>;
type Point = Curves['data']['comparison']['curve'][number];
type Passing = Curves['data']['comparison']['passings'][number];

export function curveSection(result: Curves): Section {
  const { comparison, settings } = result.data;
  const { curve, inMemory, passings } = comparison;
  const lengths = lengthsOf(of(settings, 'shape'));
  const fitting =
    of(settings, 'fitting') === 'true'
      ? ' No scheme is measured with more sequences than the compared memory holds.'
      : '';
  return {
    heading: `Serving: the batch and the memory, ${modelText(result)}`,
    parts: [
      ...(result.short ? [] : passings.map(passingText)),
      `Random weights in the shape ${modelText(result)}, ${of(settings, 'threads')} threads, the engine that serves: ${lengths}. All schemes are loaded at once and measured in turn.${fitting}`,
      { drawing: result.name, title: 'Throughput and latency', svg: curveChart(curve) },
      curveTable(curve),
      ...(inMemory === undefined ? [] : memoryParts(inMemory, result.name)),
      'Over the memory that all get: what fits is counted, its throughput read off the lines over the batch.',
      { drawing: `${result.name}-sweep`, title: 'Over the memory', svg: sweepChart(comparison) },
      ...goalTable(goals(comparison), result),
      ...sources(result),
    ],
  };
}

/** '7b' or '8 layers of 7b'. */
export function modelText({ data: { settings } }: Curves): string {
  const layers = of(settings, 'layers');
  return `${layers === undefined ? '' : `${layers} layers of `}${of(settings, 'model')}`;
}

/** Of W4A4 in the memory that all have, and of the time of its steps that is not the model's. */
function goals({ inMemory, curve }: Curves['data']['comparison']): Goal[] {
  const overheads = curve
    .filter(({ scheme, batch }) => scheme === 'W4A4KV4' && batch === 16)
    .map(({ breakdown }) => breakdown.overhead);
  return [
    {
      ...{ what: 'W4A4KV4 over W16A16KV16 in the same memory, tokens as quick', goal: 2.5 },
      ...{ unit: 'times', measured: timesIn(inMemory?.asQuick) },
    },
    {
      ...{ what: 'of a step of 16 sequences in W4A4KV4, all but the model', goal: 0.03 },
      ...{ unit: 'percent', atMost: true, measured: greatest(overheads) },
    },
  ];
}

/** How many times the throughput of `over` `scheme` has, where both were measured. */
export function timesIn(
  points: readonly MemoryPoint[] = [],
  scheme = 'W4A4KV4',
  over = 'W16A16KV16',
): number {
  const [own, other] = [scheme, over].map((name) => points.find((point) => point.scheme === name));
  return (own?.tokensPerSecond ?? Number.NaN) / (other?.tokensPerSecond ?? Number.NaN);
}

function lengthsOf(shape = '{}'): string {
  const { prompt, answer } = JSON.parse(shape) as { prompt?: number; answer?: number };
  return `sequences of ${prompt} tokens asked and ${answer} answered, whose prompts are computed beside the others' tokens`;
}

const schemesOf = (points: readonly { scheme: string }[]) => [...new Set(points.map(({ scheme }) => scheme))];

function curveChart(curve: readonly Point[]): string {
  const lines = (value: (point: Point) => number): Line[] =>
    schemesOf(curve).map((scheme) => ({
      ...schemeEntry(scheme),
      points: curve
        .filter((point) => point.scheme === scheme)
        .map((point) => ({ x: point.batch, y: value(point) })),
    }));
  const panel = (title: string, value: (point: Point) => number): Panel => ({
    ...{ title, xLabel: 'sequences together', lines: lines(value) },
  });
  return lineChart('Throughput and latency over the batch', [
    panel('tokens per second, all sequences', ({ tokensPerSecond }) => tokensPerSecond),
    panel('ms from one token to the next, median', ({ betweenTokens }) => 1000 * betweenTokens.p50),
  ]);
}

function curveTable(curve: readonly Point[]): string {
  const batches = [...new Set(curve.map(({ batch }) => batch))];
  const rows = schemesOf(curve).map((scheme) => {
    const own = curve.filter((point) => point.scheme === scheme);
    const cells = batches.map((batch) => {
      const point = own.find((each) => each.batch === batch);
      if (point === undefined) return '';
      const { p50, p99 } = point.betweenTokens;
      return `${significant(point.tokensPerSecond)} (${significant(1000 * p50)}, ${significant(1000 * p99)})`;
    });
    const overheads = own.map(({ breakdown }) => breakdown.overhead);
    return [scheme, ...cells, percent(Math.max(...overheads))];
  });
  const headings = batches.map((batch) => `${batch} together`);
  return `Tokens per second, in brackets the ms between tokens (median, slowest hundredth); the last column is the largest share of a step that is not the model:\n\n${table(['scheme', ...headings, 'not model'], rows)}`;
}

type InMemory = NonNullable<Curves['data']['comparison']['inMemory']>;
type MemoryPoint = InMemory['points'][number];

function memoryParts({ memory, points, asQuick = [] }: InMemory, name: string): Section['parts'] {
  const bars = rowChart({
    title: `Tokens per second, each in ${byteText(memory)} for weights and cache`,
    rows: [
      ...memoryRows('all that fit', points),
      ...memoryRows('as many as answer as quickly as 16 bits', asQuick),
    ],
    xLabel: 'tokens per second',
    scale: (range) =>
      linearScale(rounded([0, Math.max(...points.map((point) => point.tokensPerSecond))]), range),
  });
  return [
    `In the same memory, ${byteText(memory)} for weights and cache, as the paper's GPU had it, with as many sequences as fit (up to the largest batch above):`,
    { drawing: `${name}-memory`, title: 'In the same memory', svg: bars },
    memoryTable(points),
    ...(asQuick.length === 0
      ? []
      : [
          'Throughput alone favours whoever makes everybody wait. With only so many sequences that nine tokens of ten come as quickly as from the 16-bit model with all that fit (measured; where they came later after all, the last column shows it):',
          memoryTable(asQuick),
        ]),
  ];
}

function memoryRows(heading: string, points: readonly MemoryPoint[]): Row[] {
  return points.map(({ scheme, tokensPerSecond, batch }, index) => ({
    name: scheme,
    marks: [{ value: tokensPerSecond, colour: schemeEntry(scheme).colour, kind: 'bar' }],
    figure: `${significant(tokensPerSecond)}, ${batch} together`,
    ...(index === 0 && { heading }),
  }));
}

function memoryTable(points: readonly MemoryPoint[]): string {
  const [first] = points;
  const rows = points.map((point) => [
    point.scheme,
    fixed(point.fits, 0),
    fixed(point.running, 1),
    significant(point.tokensPerSecond),
    `${fixed(point.tokensPerSecond / (first?.tokensPerSecond ?? Number.NaN), 2)}x`,
    significant(1000 * point.betweenTokens.p90),
  ]);
  return table(
    ['scheme', 'sequences that fit', 'ran', 'tokens/s', `of ${first?.scheme}`, 'ms between tokens, p90'],
    rows,
  );
}

function sweepChart({ sweep, needs }: Curves['data']['comparison']): string {
  const lines = needs.map(({ scheme }): Line => {
    const points = sweep.map(({ memory, schemes }) => {
      const speed = schemes.find((each) => each.scheme === scheme)?.tokensPerSecond;
      return { x: memory / 1e9, y: speed || Number.NaN };
    });
    return { ...schemeEntry(scheme), points };
  });
  return lineChart('Throughput over the memory', [
    { title: 'tokens per second', xLabel: 'GB for weights and cache', lines, isPlain: true },
  ]);
}

/** Whether the paper's ratio is passed here, at no higher latency and with all that fit. */
function passingText({ scheme, over, ratio, asQuick, ...all }: Passing): string {
  const claim = `The paper's ${fixed(ratio, 2)} times ${over.startsWith('W16') ? 'FP16' : 'INT8'} in the same memory`;
  if (asQuick === undefined) return `${claim} is ${reachText(all, scheme, over)}.`;
  return `${claim}, at the same latency, is ${reachText(asQuick, scheme, over)}. With all that fit, whatever each waits for its tokens, it is ${reachText(all, scheme, over)}.`;
}

type Reach = NonNullable<Passing['asQuick']>;

function reachText({ most, memory, fits, fitsOver }: Reach, scheme: string, over: string): string {
  if (memory === undefined)
    return `**not passed** by ${scheme}: at most ${fixed(most, 2)} times ${over} in any memory that holds both`;
  return `**passed** by ${scheme} in memories up to ${byteText(memory)} (there ${fits} sequences against ${fitsOver}), and at most ${fixed(most, 2)} times ${over}`;
}
