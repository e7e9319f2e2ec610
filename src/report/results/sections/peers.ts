// Beside another engine, in one process and in turn.
import { byteText, fixed, significant } from '../../format.ts';
import { linearScale, rounded } from '../../scales.ts';
import { type Section, sources, table } from '../page-parts.ts';
import type { ResultOf } from '../result-file.ts';
import { type Row, rowChart } from '../row-chart.ts';
import { schemeEntry } from '../scheme-colours.ts';

type Peers = ResultOf<'peers'>;
type Contender = Peers['data']['byBatch'][number];

export function peerSection(result: Peers): Section {
  const { options, byBatch, sameMemory } = result.data;
  const names = [...new Set(byBatch.map(({ name }) => name))];
  const batches = [...new Set(byBatch.map(({ batch }) => batch))];
  const find = (name: string, batch: number) =>
    byBatch.find((each) => each.name === name && each.batch === batch);
  const rows = names.map((name) => [
    name,
    ...batches.map((batch) => speed(find(name, batch))),
    ...(sameMemory === undefined ? [] : [inMemory(sameMemory.rows.find((each) => each.name === name))]),
  ]);
  const headings = batches.map((batch) => `${batch} together`);
  const memory = sameMemory === undefined ? [] : [`in ${byteText(sameMemory.memory)}`];
  const most = batches.at(-1) ?? 1;
  return {
    heading: 'Beside node-llama-cpp',
    parts: [
      `Tokens per second while decoding after prompts of 128 tokens: random weights in the shape ${String(options.shape)}, ${String(options.threads)} threads, all engines in one process and measured in turn. node-llama-cpp 3.22.1 from its prebuilt binaries, flash attention, F16 cache; this engine without HTTP. ${timesText(names, most, find)} The last column gives each the memory that holds ${String(options.sequences)} sequences of 512 tokens beside F16 weights.`,
      { drawing: 'peers', title: 'Beside node-llama-cpp', svg: chart(names, batches, find) },
      table(['', ...headings, ...memory], rows),
      ...sources(result),
    ],
  };
}

type Find = (name: string, batch: number) => Contender | undefined;

function speed(contender: Contender | undefined): string {
  return contender === undefined ? '' : significant(contender.tokensPerSecond);
}

function inMemory(contender: Contender | undefined): string {
  return contender === undefined ? 'does not fit' : `${speed(contender)} (${contender.batch} together)`;
}

/** Our smallest against the peer's smallest. */
function timesText(names: readonly string[], batch: number, find: Find): string {
  const peers = names.filter((name) => name.startsWith('node-'));
  const best = peers
    .map((name) => find(name, batch)?.tokensPerSecond ?? 0)
    .reduce((a, b) => Math.max(a, b), 0);
  const ours = find('W4A4KV4', batch)?.tokensPerSecond;
  if (ours === undefined || best === 0) return '';
  return `W4A4KV4 makes ${fixed(ours / best, 1)} times the tokens of node-llama-cpp's best at ${batch} sequences.`;
}

function chart(names: readonly string[], batches: readonly number[], find: Find): string {
  const rows = batches.flatMap((batch) =>
    names.map((name, index): Row => {
      const found = find(name, batch);
      return {
        name,
        marks:
          found === undefined
            ? []
            : [{ value: found.tokensPerSecond, colour: schemeEntry(name).colour, kind: 'bar' }],
        figure: speed(found),
        ...(index === 0 && { heading: batch === 1 ? '1 sequence' : `${batch} sequences together` }),
      };
    }),
  );
  const most = Math.max(...rows.flatMap(({ marks }) => marks.map(({ value }) => value)));
  return rowChart({
    title: 'Tokens per second beside node-llama-cpp',
    rows,
    xLabel: 'tokens per second, all sequences',
    scale: (range) => linearScale(rounded([0, most]), range),
  });
}
