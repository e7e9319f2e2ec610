// Serving: throughput and latency over the batch, what each scheme does in the same memory, conversations.
import { byteText, fixed, percent, significant } from '../../format.ts';
import { linearScale, rounded } from '../../scales.ts';
import { type Line, lineChart, type Panel } from '../line-chart.ts';
import { of, type Section, sources, table } from '../page-parts.ts';
import type { ResultOf } from '../result-file.ts';
import { type Row, rowChart } from '../row-chart.ts';
import { schemeEntry } from '../scheme-colours.ts';

type Curves = ResultOf<'curves'>;
type Point = Curves['data']['comparison']['curve'][number];
type Loop = ResultOf<'conversations'>['data']['closed'][number];

export function curveSection(result: Curves): Section {
  const { comparison, settings } = result.data;
  const { curve, inMemory, passings } = comparison;
  const lengths = lengthsOf(of(settings, 'shape'));
  return {
    heading: 'Serving: the batch and the memory',
    parts: [
      `Random weights in the shape ${of(settings, 'model')}, ${of(settings, 'threads')} threads, the engine that serves: ${lengths}. All schemes are loaded at once and measured in turn.`,
      { drawing: 'compare', title: 'Throughput and latency', svg: curveChart(curve) },
      curveTable(curve),
      ...(inMemory === undefined ? [] : memoryParts(inMemory)),
      'Over the memory that all get: what fits is counted, its throughput read off the lines over the batch.',
      { drawing: 'sweep', title: 'Over the memory', svg: sweepChart(comparison) },
      passings.map(passingText).join(' '),
      ...sources(result),
    ],
  };
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

function memoryParts({ memory, points, asQuick = [] }: InMemory): Section['parts'] {
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
    { drawing: 'memory', title: 'In the same memory', svg: bars },
    memoryTable(points),
    ...(asQuick.length === 0
      ? []
      : [
          'Throughput alone favours whoever makes everybody wait. With only so many sequences that nine tokens of ten come as quickly as from the 16-bit model with all that fit:',
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

function passingText(passing: Curves['data']['comparison']['passings'][number]): string {
  const { scheme, over, ratio, most, memory, fits, fitsOver } = passing;
  const claim = `The paper's ${fixed(ratio, 2)} times ${over} (on a GPU with 4-bit arithmetic)`;
  if (memory === undefined)
    return `${claim} is not reached by ${scheme} here: at most ${fixed(most, 2)} where both run.`;
  return `${claim} is reached by ${scheme} where memory is short: up to ${byteText(memory)} (${fits} and ${fitsOver} sequences), at most ${fixed(most, 2)}.`;
}

export function conversationSection(result: ResultOf<'conversations'>): Section {
  const { fixedMemory, closed, open, settings } = result.data;
  const rate = open[0]?.rate ?? Number.NaN;
  return {
    heading: 'Serving: conversations',
    parts: [
      `Prompts and answers as long as ShareGPT's, random weights in the shape ${of(settings, 'shape')}, each scheme in ${byteText(fixedMemory.bytes)} for weights and cache. Closed loop: ${of(settings, 'concurrency')} callers ask again as soon as they are answered, which measures capacity; percentiles 50, 90, 99.`,
      loopTable(closed),
      `Open loop: ${significant(rate)} requests arrive in a second whatever happens (80 % of what the first scheme can do), which measures delay.`,
      loopTable(open),
      ...sources(result),
    ],
  };
}

export function prefixSection(result: ResultOf<'prefix'>): Section {
  const { results, settings } = result.data;
  const [first] = results;
  const rows = results.map(({ scheme, found, unseen, seen, times }) => [
    scheme,
    fixed(found, 0),
    significant(1000 * unseen),
    significant(1000 * seen),
    `${fixed(times, 1)}x`,
  ]);
  return {
    heading: 'Serving: prompts seen before',
    parts: [
      `Milliseconds to the first token of prompts of ${first?.prompt} tokens, random weights in the shape ${of(settings, 'shape')}, asked for the first and for the second time; medians.`,
      table(['scheme', 'tokens found', 'unseen, ms', 'seen, ms', 'times'], rows),
      ...sources(result),
    ],
  };
}

function loopTable(loops: readonly Loop[]): string {
  const three = ({ p50, p90, p99 }: Loop['timePerToken'], factor: number) =>
    [p50, p90, p99].map((value) => significant(value * factor)).join(' / ');
  const rows = loops.map((loop) => [
    loop.scheme,
    significant(loop.tokensPerSecond),
    three(loop.timeToFirstToken, 1),
    three(loop.timePerToken, 1000),
    fixed(loop.batch.mean, 1),
    percent(loop.cache.mean, 0),
    fixed(loop.waitingMean, 1),
  ]);
  return table(
    ['scheme', 'tokens/s', 'first token, s', 'a token, ms', 'batch', 'cache in use', 'waiting'],
    rows,
  );
}
