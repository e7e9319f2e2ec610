// Beside another engine, in one process and in turn: reading prompts, decoding at equal batches, decoding in one memory.
import { byteText, fixed, significant } from '../../format.ts';
import { linearScale, rounded } from '../../scales.ts';
import { type Goal, goalTableOf } from '../goals.ts';
import { type Section, sources, table } from '../page-parts.ts';
import type { ResultOf } from '../result-file.ts';
import { type Row, rowChart } from '../row-chart.ts';
import { schemeEntry } from '../scheme-colours.ts';

type Peers = ResultOf<'peers'>;
export type Contender = Peers['data']['byBatch'][number];

/** One measurement of all contenders. */
export interface Column {
  readonly kind: 'prompts' | 'batch' | 'memory';
  readonly heading: string;
  readonly contenders: readonly Contender[];
}

/** Of runs that may each hold some of the columns; those of one shape share a table. */
export function peerSection(results: readonly Peers[]): Section {
  const shapes = [...new Set(results.map(shapeText))];
  const groups = shapes.map((shape) => results.filter((result) => shapeText(result) === shape));
  const builds = [...new Set(results.map(buildText))];
  const [first] = results;
  return {
    heading: 'Beside node-llama-cpp',
    parts: [
      `Tokens per second, in brackets times the best of node-llama-cpp in that column. Random weights, ${String(first?.data.options.threads)} threads; all engines are in one process and measured in turn. ${builds.join(' ')} It runs with flash attention and an F16 cache; this engine runs without HTTP. Prompts are of 512 tokens, read one at a time; decoding is measured after prompts of 128.`,
      ...groups.flatMap((group, index) =>
        groupParts(group, index === 0 ? 'peers' : `peers-${shapes[index]!.replaceAll(/\W+/g, '-')}`),
      ),
    ],
  };
}

/** '1.1b' or '7b cut to 8 layers'. */
export function shapeText({ data: { options } }: Peers): string {
  const { shape, layers } = options;
  return layers === undefined ? String(shape) : `${String(shape)} cut to ${String(layers)} layers`;
}

function buildText({ data: { peer } }: Peers): string {
  if (peer === undefined) return 'node-llama-cpp 3.22.1 comes from its prebuilt binaries.';
  const extras = peer.features.filter((feature) => /AMX|VNNI|BF16|DOTPROD|I8MM/.test(feature));
  const uses = extras.length === 0 ? '' : `, with ${extras.join(', ')}`;
  return `node-llama-cpp ${peer.version} comes from its prebuilt binaries, of which it chose the one for ${peer.build}${uses}.`;
}

function groupParts(results: readonly Peers[], name: string): Section['parts'] {
  const columns = results.flatMap(columnsOf);
  const shape = shapeText(results[0]!);
  const names = [...new Set(columns.flatMap(({ contenders }) => contenders.map((each) => each.name)))];
  const rows = names.map((each) => [each, ...columns.map((column) => cell(each, column))]);
  const memoryText = results.flatMap(({ data: { sameMemory, options } }) =>
    sameMemory === undefined
      ? []
      : [
          ` In ${byteText(sameMemory.memory)}, which holds the sequences that the F16 row says beside F16 weights, each runs as many as it can hold (at most ${String(options['max-batch'])} were tried).`,
        ],
  );
  const title = `Beside node-llama-cpp, ${shape}`;
  return [
    `**The shape ${shape}.**${memoryText.join('')}`,
    { drawing: name, title, svg: chart(title, columns) },
    table(['', ...columns.map(({ heading }) => heading)], rows),
    ...goalTableOf(results, (result) => goals(columnsOf(result))),
    ...sources(...results),
  ];
}

export function columnsOf({ data: { prefill, byBatch, sameMemory } }: Peers): Column[] {
  const batches = [...new Set(byBatch.map(({ batch }) => batch))];
  return [
    ...(prefill === undefined ? [] : [{ kind: 'prompts' as const, heading: 'prompts', contenders: prefill }]),
    ...batches.map((batch) => ({
      kind: 'batch' as const,
      heading: batch === 1 ? '1 sequence' : `${batch} sequences`,
      contenders: byBatch.filter((contender) => contender.batch === batch),
    })),
    ...(sameMemory === undefined
      ? []
      : [
          {
            kind: 'memory' as const,
            heading: `in ${byteText(sameMemory.memory)}`,
            contenders: sameMemory.rows,
          },
        ]),
  ];
}

export const isPeer = ({ name }: Contender): boolean => name.startsWith('node-llama-cpp');

/** How many times as fast as the peer's `type` W4A4 is; NaN where not both were measured. */
export function timesOver({ contenders }: Column, type: string): number {
  const speed = (name: string) =>
    contenders.find((each) => each.name === name)?.tokensPerSecond ?? Number.NaN;
  return speed('W4A4KV4') / speed(`node-llama-cpp ${type}`);
}

const batchGoals: Readonly<Record<string, number>> = { prompts: 3, '1 sequence': 3.8, '16 sequences': 8 };

function goals(columns: readonly Column[]): Goal[] {
  return columns.flatMap((column): Goal[] => {
    const { kind, heading } = column;
    const over = (type: string, goal: number): Goal => ({
      ...{ what: `${heading}: W4A4KV4 over node-llama-cpp ${type}`, goal },
      ...{ unit: 'times', measured: timesOver(column, type) },
    });
    if (kind === 'memory') return [over('F16', 15), over('Q8_0', 10)];
    const goal = batchGoals[heading];
    return goal === undefined ? [] : [over('Q4_0', goal)];
  });
}

function cell(name: string, { kind, contenders }: Column): string {
  const found = contenders.find((each) => each.name === name);
  if (found === undefined) return '';
  const best = Math.max(...contenders.filter(isPeer).map(({ tokensPerSecond }) => tokensPerSecond));
  const speed = significant(found.tokensPerSecond);
  const together = kind === 'memory' ? `, ${found.batch} together` : '';
  return isPeer(found)
    ? `${speed}${together}`
    : `${speed} (${fixed(found.tokensPerSecond / best, 1)}x)${together}`;
}

/** A column's bars on the scale of that column's fastest, since prompts are read ten times as fast as answers are made. */
function chart(title: string, columns: readonly Column[]): string {
  const rows = columns.flatMap(({ heading, contenders }) => {
    const most = Math.max(...contenders.map(({ tokensPerSecond }) => tokensPerSecond));
    return contenders.map(
      ({ name, tokensPerSecond }, index): Row => ({
        name,
        marks: [{ value: (100 * tokensPerSecond) / most, colour: schemeEntry(name).colour, kind: 'bar' }],
        figure: significant(tokensPerSecond),
        ...(index === 0 && { heading }),
      }),
    );
  });
  return rowChart({
    title: `${title}: tokens per second`,
    rows,
    xLabel: 'percent of the fastest',
    scale: (range) => linearScale(rounded([0, 100]), range),
  });
}
