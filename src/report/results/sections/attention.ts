// Attention of one new token per sequence over a cache of 16, 8 and 4 bits.
import { fixed, percent } from '../../format.ts';
import { type Goal, goalTable, least } from '../goals.ts';
import { type Line, lineChart, type Panel } from '../line-chart.ts';
import { type Section, sources, table } from '../page-parts.ts';
import type { ResultOf } from '../result-file.ts';

type Attention = ResultOf<'attention'>;
type Measure = Attention['data']['rows'][number];

const colours: Readonly<Record<number, string>> = { 4: 'c1', 8: 'c2', 16: 'c0' };

export function attentionSection(result: Attention): Section {
  const { rows, read, threads } = result.data;
  const shapes = [...new Set(rows.map(shapeText))];
  const cells = shapes.map((shape) => {
    const own = rows.filter((row) => shapeText(row) === shape);
    const find = (bits: number) => own.find((row) => row.bits === bits);
    return [
      shape,
      ...[16, 8, 4].map((bits) => fixed(find(bits)?.milliseconds ?? Number.NaN, 3)),
      ...[16, 8, 4].map((bits) => percent(find(bits)?.shareOfBandwidth ?? Number.NaN)),
      `${fixed(find(4)?.speedup ?? Number.NaN, 2)}x`,
    ];
  });
  return {
    heading: 'Attention while decoding',
    parts: [
      `One layer, heads of 128, ${threads} threads, caches too large for the processor's own and blocks in no order; reading memory gave ${fixed(read, 1)} GB/s in the same turns. Bytes are keys, values, scales and zero points.`,
      { drawing: 'attention', title: 'Attention over the context', svg: chart(rows) },
      table(
        [
          'heads / key heads, batch, context',
          '16 bits, ms',
          '8 bits',
          '4 bits',
          '16 bits, of reading',
          '8 bits',
          '4 bits',
          '4 over 16 bits',
        ],
        cells,
      ),
      ...goalTable(goals(rows), result),
      ...sources(result),
    ],
  };
}

/** The context that goals were set for. */
const goalContext = 4096;

function goals(rows: readonly Measure[]): Goal[] {
  const four = rows.filter(({ bits, context }) => bits === 4 && context === goalContext);
  return [...new Set(four.map(headsText))].flatMap((heads): Goal[] => {
    const own = four.filter((row) => headsText(row) === heads);
    return [
      {
        ...{ what: `4-bit cache of ${goalContext} tokens, ${heads} heads: of reading memory`, goal: 0.7 },
        ...{ unit: 'percent', measured: least(own.map(({ shareOfBandwidth }) => shareOfBandwidth)) },
      },
      {
        ...{ what: `the same over 16 bits, ${heads} heads`, goal: 2.5 },
        ...{ unit: 'times', measured: least(own.map(({ speedup }) => speedup)) },
      },
    ];
  });
}

const headsText = ({ numHeads, numKvHeads }: Measure) => `${numHeads} / ${numKvHeads}`;

function shapeText({ numHeads, numKvHeads, batch, context }: Measure): string {
  return `${numHeads} / ${numKvHeads}, ${batch}, ${context}`;
}

function chart(rows: readonly Measure[]): string {
  const alone = rows.filter(({ batch }) => batch === 1);
  const heads = [
    ...new Set(
      alone.map(({ numHeads, numKvHeads }) => `${numHeads} heads, ${numKvHeads} for keys and values`),
    ),
  ];
  const panels = heads.map((name): Panel => {
    const own = alone.filter(
      ({ numHeads, numKvHeads }) => name === `${numHeads} heads, ${numKvHeads} for keys and values`,
    );
    const lines = [16, 8, 4].map(
      (bits): Line => ({
        name: `${bits}-bit cache`,
        colour: colours[bits] ?? 'peer',
        points: own
          .filter((row) => row.bits === bits)
          .map(({ context, milliseconds }) => ({ x: context, y: milliseconds })),
      }),
    );
    return {
      title: `${name}: ms a layer, log scale`,
      xLabel: 'tokens of context, one sequence',
      lines,
      isLog: true,
    };
  });
  return lineChart('Attention of one token', panels);
}
