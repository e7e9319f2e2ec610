// Beside another engine, in one process and in turn: reading prompts, decoding at equal batches, decoding in one memory.
import { byteText, fixed, significant } from '../../format.ts';
import { linearScale, rounded } from '../../scales.ts';
import { type Section, sources, table } from '../page-parts.ts';
import type { ResultOf } from '../result-file.ts';
import { type Row, rowChart } from '../row-chart.ts';
import { schemeEntry } from '../scheme-colours.ts';

type Peers = ResultOf<'peers'>;
type Contender = Peers['data']['byBatch'][number];

interface Column {
  readonly heading: string;
  readonly contenders: readonly Contender[];
}

/** Of runs that may each hold some of the columns. */
export function peerSection(results: readonly Peers[]): Section {
  const columns = results.flatMap(columnsOf);
  const names = [...new Set(columns.flatMap(({ contenders }) => contenders.map(({ name }) => name)))];
  const memories = results.flatMap(({ data }) => data.sameMemory ?? []);
  const [first] = results;
  const rows = names.map((name) => [name, ...columns.map((column) => cell(name, column))]);
  const memoryText = memories.map(
    ({ memory }) =>
      `In ${byteText(memory)}, which holds the sequences that the F16 row says beside F16 weights, each runs as many as it can hold (at most 32 were tried).`,
  );
  return {
    heading: 'Beside node-llama-cpp',
    parts: [
      `Tokens per second, in brackets times the best of node-llama-cpp in that column. Random weights in the shape ${String(first?.data.options.shape)}, ${String(first?.data.options.threads)} threads; all engines are in one process and measured in turn. node-llama-cpp 3.22.1 comes from its prebuilt binaries and runs with flash attention and an F16 cache; this engine runs without HTTP. Prompts are of 512 tokens, read one at a time; decoding is measured after prompts of 128. ${memoryText.join(' ')}`,
      { drawing: 'peers', title: 'Beside node-llama-cpp', svg: chart(columns) },
      table(['', ...columns.map(({ heading }) => heading)], rows),
      ...sources(...results),
    ],
  };
}

function columnsOf({ data: { prefill, byBatch, sameMemory } }: Peers): Column[] {
  const batches = [...new Set(byBatch.map(({ batch }) => batch))];
  return [
    ...(prefill === undefined ? [] : [{ heading: 'prompts', contenders: prefill }]),
    ...batches.map((batch) => ({
      heading: batch === 1 ? '1 sequence' : `${batch} sequences`,
      contenders: byBatch.filter((contender) => contender.batch === batch),
    })),
    ...(sameMemory === undefined
      ? []
      : [{ heading: `in ${byteText(sameMemory.memory)}`, contenders: sameMemory.rows }]),
  ];
}

const isPeer = ({ name }: Contender) => name.startsWith('node-llama-cpp');

function cell(name: string, { heading, contenders }: Column): string {
  const found = contenders.find((each) => each.name === name);
  if (found === undefined) return 'does not fit';
  const best = Math.max(...contenders.filter(isPeer).map(({ tokensPerSecond }) => tokensPerSecond));
  const speed = significant(found.tokensPerSecond);
  const together = heading.startsWith('in ') ? `, ${found.batch} together` : '';
  return isPeer(found)
    ? `${speed}${together}`
    : `${speed} (${fixed(found.tokensPerSecond / best, 1)}x)${together}`;
}

/** A column's bars on the scale of that column's fastest, since prompts are read ten times as fast as answers are made. */
function chart(columns: readonly Column[]): string {
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
    title: 'Tokens per second beside node-llama-cpp',
    rows,
    xLabel: 'percent of the fastest',
    scale: (range) => linearScale(rounded([0, 100]), range),
  });
}
