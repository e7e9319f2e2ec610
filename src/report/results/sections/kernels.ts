// How near kernels come to what the machine can do: quantized products, dense ones, and a whole decoder.
import { fixed, percent, significant } from '../../format.ts';
import { goalTable, mean } from '../goals.ts';
import { type Line, lineChart, type Panel } from '../line-chart.ts';
import { of, type Section, sources, table } from '../page-parts.ts';
import type { ResultOf } from '../result-file.ts';
import { schemeEntry } from '../scheme-colours.ts';
import { decoderGoals, kernelGoals, speedups } from './kernel-goals.ts';

type Figure = ResultOf<'kernels'>['data']['kernels'][number];

export interface KernelResults {
  readonly kernels?: ResultOf<'kernels'> | undefined;
  readonly decoder?: ResultOf<'decoder'> | undefined;
  readonly gemm?: ResultOf<'gemm'> | undefined;
}

export function kernelSection({ kernels, decoder, gemm }: KernelResults): Section {
  return {
    heading: 'Kernels and their ceilings',
    parts: [
      'A ceiling is measured in the same rounds as the kernel: the peak of its arithmetic where that binds, the bandwidth of reading memory where that does. A share is the least time that the ceiling allows over the time taken (medians).',
      ...(kernels === undefined ? [] : linearParts(kernels)),
      ...(gemm === undefined ? [] : gemmParts(gemm)),
      ...(decoder === undefined ? [] : decoderParts(decoder)),
    ],
  };
}

function linearParts(result: ResultOf<'kernels'>): Section['parts'] {
  const { kernels, fusedQuantization, ceilings, settings } = result.data;
  const linears = kernels.filter(({ operator }) => operator.startsWith('linear '));
  const shapes = [...new Set(linears.map(({ shape }) => shape))];
  const operators = [...new Set(linears.map(({ operator }) => operator))];
  const panels = shapes.slice(0, 4).map((shape): Panel => {
    const lines = operators.map(
      (operator): Line => ({
        ...schemeEntry(operator.replace('linear ', '')),
        points: linears
          .filter((figure) => figure.operator === operator && figure.shape === shape)
          .map(({ rows, ceilingShare }) => ({ x: rows, y: 100 * ceilingShare })),
      }),
    );
    return { title: `${shape}, % of the ceiling`, xLabel: 'rows (tokens at once)', lines, most: 100 };
  });
  const vectors = vectorSetOf(settings);
  const rows = operators.map((operator) => operatorRow(operator, linears, vectors !== undefined));
  const fused = fusedQuantization.map(
    ({ shape, rows: tokens, share }) =>
      `Reordering and quantizing, fused into the operators before, take ${percent(share)} of a ${shape} layer at ${tokens} rows.`,
  );
  return [
    `**Quantized products** of ${shapes.length} matrices (inputs x outputs), ${of(settings, 'threads')} threads; the ceilings: ${ceilingText(ceilings, settings)}. Means over the matrices:`,
    {
      drawing: 'kernels',
      title: 'Shares of the ceiling',
      svg: lineChart('Products against the ceiling of the machine', panels),
    },
    table(
      [
        'product',
        ...shownRows(linears).map((count) => `${count} ${count === 1 ? 'row' : 'rows'}`),
        ...(vectors === undefined ? [] : [`of ${vectors}'s int8 peak, most rows`]),
        'over W16A16, most rows',
      ],
      rows,
    ),
    ...fused,
    ...goalTable(kernelGoals(result.data), result),
    ...sources(result),
  ];
}

type Settings = ResultOf<'kernels'>['data']['settings'];

/** The set whose integer peak is the yardstick beside that of tiles. */
const vectorSetOf = (settings: Settings) => of(settings, 'vector set');

function ceilingText(ceilings: ResultOf<'kernels'>['data']['ceilings'], settings: Settings): string {
  const isa = of(settings, 'instruction set');
  const names: Readonly<Record<string, string>> = {
    int8: `int8 of ${isa}`,
    bf16: `bf16 of ${isa}`,
    int8Vector: `int8 of ${vectorSetOf(settings)}, which has no tiles,`,
  };
  return Object.entries(ceilings)
    .map(([name, { median }]) =>
      name === 'read'
        ? `reading ${fixed(median / 1e9, 1)} GB/s`
        : `${names[name] ?? name} ${fixed(median / 1e12, 2)} Tops/s`,
    )
    .join(', ');
}

/** Of all numbers of rows, those a table has room for. */
function shownRows(figures: readonly Figure[]): number[] {
  const all = [...new Set(figures.map(({ rows }) => rows))].sort((a, b) => a - b);
  return all.filter((rows) => all.length <= 6 || [1, 4, 16, 64, 128, 512].includes(rows));
}

function operatorRow(operator: string, figures: readonly Figure[], hasVectors: boolean): string[] {
  const counts = shownRows(figures);
  const own = figures.filter((figure) => figure.operator === operator);
  const shares = counts.map((count) =>
    mean(own.filter(({ rows }) => rows === count).map(({ ceilingShare }) => ceilingShare)),
  );
  const most = own.filter(({ rows }) => rows === counts.at(-1));
  const plain = figures.filter((figure) => figure.operator === 'linear W16A16');
  const ofVectors = most.flatMap(({ shareOfVectorPeak }) => shareOfVectorPeak ?? []);
  return [
    operator.replace('linear ', ''),
    ...shares.map((share) => percent(share)),
    ...(hasVectors ? [ofVectors.length === 0 ? '' : percent(mean(ofVectors))] : []),
    `${fixed(mean(speedups(most, plain)), 2)}x`,
  ];
}

function gemmParts(result: ResultOf<'gemm'>): Section['parts'] {
  const { rows, ceilings, threads } = result.data;
  const cells = rows.map((row) => [
    `${row.type}, ${row.tokens} x ${row.inFeatures} x ${row.outFeatures}`,
    fixed(row.milliseconds, 3),
    fixed(row.gflops, 0),
    percent(row.shareOfPeak),
    row.shareOfBandwidth === undefined ? '' : percent(row.shareOfBandwidth),
  ]);
  return [
    `**Dense products** (rows x inputs x outputs), ${threads} threads, against ${fixed(ceilings.f32, 0)} GFLOPS in f32, ${fixed(ceilings.bf16, 0)} in BF16 and ${fixed(ceilings.read, 1)} GB/s of reading:`,
    table(['product', 'ms', 'GFLOPS', 'of the peak', 'of reading'], cells),
    ...sources(result),
  ];
}

function decoderParts(result: ResultOf<'decoder'>): Section['parts'] {
  const { kernels, settings } = result.data;
  const vectors = vectorSetOf(settings);
  const cells = kernels.map(({ operator, shape, rows, seconds, ceilingShare, bound, shareOfVectorPeak }) => [
    `${operator.replace('decoder ', '')}, ${shape}`,
    fixed(rows, 0),
    significant(rows / seconds),
    `${percent(ceilingShare)} of ${bound === 'memory' ? 'reading' : 'the int8 peak'}`,
    ...(vectors === undefined ? [] : [percent(shareOfVectorPeak ?? Number.NaN)]),
  ]);
  const headings = vectors === undefined ? [] : [`of ${vectors}'s int8 peak`];
  return [
    `**A whole decoder** of random weights, ${of(settings, 'threads')} threads: all layers, the output layer, attention over the cache. The ceiling counts the products alone: ${ceilingText(result.data.ceilings, settings)}.`,
    table(['decoder', 'rows', 'tokens/s', 'share of what binds', ...headings], cells),
    ...operatorParts(kernels),
    ...goalTable(decoderGoals(result.data), result),
    ...sources(result),
  ];
}

/** What a step's time goes into. */
const stepParts: readonly (readonly [title: string, operators: RegExp])[] = [
  ['gate and up, SiLU, quantized', /SiLU$|^siluMul$/],
  ['other products', /^linear \d+ x \d+$/],
  ['attention', /^attention$/],
  ['norms, reordered and quantized', /^rmsNorm$/],
  ['rotary embedding, cache written', /^ropeAppendKv$/],
  ['embedding', /^embed$/],
];

function operatorParts(kernels: readonly Figure[]): Section['parts'] {
  const rows = kernels.flatMap(({ operator, shape, rows: tokens, operatorTimes = [] }) => {
    const of = (pattern: RegExp) =>
      operatorTimes.reduce((sum, part) => sum + (pattern.test(part.operator) ? part.seconds : 0), 0);
    const all = of(/./);
    if (all === 0) return [];
    const shares = stepParts.map(([, pattern]) => percent(of(pattern) / all));
    return [[`${operator.replace('decoder ', '')}, ${shape}`, fixed(tokens, 0), ...shares]];
  });
  if (rows.length === 0) return [];
  const titles = stepParts.map(([title]) => title);
  return ['Where the time of a step goes:', table(['decoder', 'rows', ...titles], rows)];
}
