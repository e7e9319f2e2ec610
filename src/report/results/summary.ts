// What a reader asks first: how much faster, how accurate, in how much memory. Of runs in full alone.
import { byteText, durationText, fixed, percent, percentChange, significant } from '../format.ts';
import { mean } from './goals.ts';
import type { ResultFile, ResultOf } from './result-file.ts';
import { modelText, timesIn } from './sections/curves.ts';
import { speedups, vectorShare } from './sections/kernel-goals.ts';
import { lossesOf } from './sections/ladder.ts';
import { columnsOf, isPeer, shapeText } from './sections/peers.ts';

/** A question, what was measured, and the paper's figure or the goal beside it. */
export type Answer = readonly [question: string, measured: string, beside: string];

export type Kinds = <Kind extends ResultFile['kind']>(kind: Kind) => readonly ResultOf<Kind>[];

/** Results in full, by kind. */
export function inFull(results: readonly ResultFile[]): Kinds {
  const full = results.filter(({ short }) => !short);
  return <Kind extends ResultFile['kind']>(kind: Kind) =>
    full.filter((result): result is ResultOf<Kind> => result.kind === kind);
}

export function answers(results: readonly ResultFile[]): Answer[] {
  const all = inFull(results);
  return [
    ...all('curves').flatMap(faster),
    ...all('peers').flatMap(beside),
    ...all('decoder').map(decoder),
    ...all('kernels').flatMap(products),
    ...all('presets').flatMap(accuracy),
    ...all('ladder').flatMap(published),
    ...all('curves').flatMap(memory),
    ...all('prefix').flatMap(seenBefore),
    ...all('http').map(throughHttp),
    ...all('quantization').map(quantized),
  ];
}

function faster(result: ResultOf<'curves'>): Answer[] {
  const { inMemory, passings } = result.data.comparison;
  const points = inMemory?.asQuick ?? [];
  const own = points.find(({ scheme }) => scheme === 'W4A4KV4');
  if (inMemory === undefined || own === undefined) return [];
  return passings.flatMap(({ scheme, over, ratio, asQuick }): Answer[] => {
    const other = points.find((point) => point.scheme === over);
    if (other === undefined) return [];
    const figures = `${significant(own.tokensPerSecond)} against ${significant(other.tokensPerSecond)} tokens/s of ${own.batch} and ${other.batch} sequences`;
    const most = asQuick === undefined ? '' : `; at most ${fixed(asQuick.most, 2)} times in other memories`;
    return [
      [
        `${scheme} over ${over}, ${modelText(result)}, each in ${byteText(inMemory.memory)}, tokens as quick as in 16 bits`,
        `**${fixed(timesIn(points, scheme, over), 2)} times**: ${figures}${most}`,
        `the paper on a GPU: ${fixed(ratio, 2)}`,
      ],
    ];
  });
}

function beside(result: ResultOf<'peers'>): Answer[] {
  return columnsOf(result).flatMap(({ kind, heading, contenders }): Answer[] => {
    const own = contenders.find(({ name }) => name === 'W4A4KV4');
    const [best] = contenders.filter(isPeer).sort((a, b) => b.tokensPerSecond - a.tokensPerSecond);
    if (own === undefined || best === undefined) return [];
    const times = fixed(own.tokensPerSecond / best.tokensPerSecond, 1);
    const together = kind === 'memory' ? ` (${own.batch} and ${best.batch} together)` : '';
    return [
      [
        `${own.name} over the best of node-llama-cpp, ${shapeText(result)}, ${heading}`,
        `**${times} times**: ${significant(own.tokensPerSecond)} against ${significant(best.tokensPerSecond)} tokens/s${together}`,
        best.name.replace('node-llama-cpp ', ''),
      ],
    ];
  });
}

function decoder({ data: { kernels } }: ResultOf<'decoder'>): Answer {
  const own = kernels.filter(({ operator }) => operator.includes('W4A4'));
  const cells = own.map(({ shape, rows, seconds, ceilingShare, bound }) => {
    const what = shape.includes('prefill')
      ? `prompts of ${rows}`
      : rows === 1
        ? 'one sequence'
        : `${rows} sequences`;
    const ceiling = bound === 'memory' ? 'reading' : 'the int8 peak';
    return `${what} ${significant(rows / seconds)} tokens/s (${percent(ceilingShare)} of ${ceiling})`;
  });
  return ['a whole 1.1B decoder, W4A4 KV4', cells.join('; '), ''];
}

function products({ data: { kernels } }: ResultOf<'kernels'>): Answer[] {
  const [own, plain] = ['linear W4A4', 'linear W16A16'].map((operator) =>
    kernels.filter((figure) => figure.operator === operator),
  ) as [typeof kernels, typeof kernels];
  const at = (rows: number) => own.filter((figure) => figure.rows === rows);
  const times = (rows: number) => fixed(mean(speedups(at(rows), plain)), 1);
  const hasTiles = own.some(({ shareOfVectorPeak }) => shareOfVectorPeak !== undefined);
  const vectors = hasTiles
    ? `, ${percent(mean(at(128).map(vectorShare)))} of what vectors without tiles could do`
    : '';
  const share = (rows: number) => percent(mean(at(rows).map(({ ceilingShare }) => ceilingShare)));
  return [
    [
      'W4A4 products of a 7B layer, 128 rows',
      `${share(128)} of the ceiling${vectors}; ${times(128)} times BF16`,
      '',
    ],
    ['the same, one row', `${share(1)} of reading memory; ${times(1)} times BF16`, ''],
  ];
}

function accuracy({ data: { presets } }: ResultOf<'presets'>): Answer[] {
  const { simulated, executed } = presets.find(({ name }) => name === 'atom') ?? {};
  if (simulated === undefined || executed === undefined) return [];
  const { change, changeInterval, perplexity } = executed;
  const [low, high] = changeInterval.map((ratio) => percentChange(ratio - 1));
  return [
    [
      'perplexity of the bundled model in W4A4 KV4, in the kernels that serve',
      `**${percentChange(change - 1)}** (${low} to ${high}) over BF16: ${fixed(perplexity, 2)}`,
      `simulated in f32: ${fixed(simulated.perplexity, 2)}`,
    ],
  ];
}

function published({ data }: ResultOf<'ladder'>): Answer[] {
  return lossesOf(data).map((losses) => [
    `perplexity lost by ${data.model} at W4A4 KV4, simulated, groups of 32`,
    percentChange(losses.own.change),
    `Atom's published code: ${percentChange(losses.published.change)}`,
  ]);
}

function memory(result: ResultOf<'curves'>): Answer[] {
  const { needs } = result.data.comparison;
  const [own, plain] = ['W4A4KV4', 'W16A16KV16'].map((name) => needs.find(({ scheme }) => scheme === name));
  if (own === undefined || plain === undefined) return [];
  const weights = `weights ${byteText(own.weightBytes)} instead of ${byteText(plain.weightBytes)} (${fixed(plain.weightBytes / own.weightBytes, 2)} times less)`;
  const cache = `a sequence of 512 tokens ${byteText(own.sequenceBytes)} instead of ${byteText(plain.sequenceBytes)} (${fixed(plain.sequenceBytes / own.sequenceBytes, 2)} times less)`;
  return [[`memory of ${modelText(result)} in W4A4 KV4`, `${weights}; ${cache}`, '']];
}

function seenBefore({ data: { results } }: ResultOf<'prefix'>): Answer[] {
  return results
    .filter(({ scheme }) => scheme === 'W4A4KV4')
    .map(({ prompt, unseen, seen, times }) => [
      `first token of a prompt of ${prompt} tokens, seen before`,
      `${fixed(times, 1)} times sooner: after ${durationText(seen)} instead of ${durationText(unseen)}`,
      '',
    ]);
}

function throughHttp({ title, data: { streams, threads, engine, http, cost } }: ResultOf<'http'>): Answer {
  return [
    `${streams} streams through HTTP against the engine alone (${title}, ${threads} kernel thread${threads === 1 ? '' : 's'})`,
    `${fixed(http, 0)} to ${fixed(engine, 0)} tokens/s: cost ${percent(cost)}`,
    '',
  ];
}

function quantized({ data: { model, layers, samples, peakMemory } }: ResultOf<'quantization'>): Answer {
  const perLayer = mean(layers.map(({ seconds }) => seconds));
  return [
    `quantizing a checkpoint of the shape ${model.name}, ${samples}`,
    `${durationText(perLayer)} a layer, ${byteText(peakMemory)} resident at most`,
    '',
  ];
}
