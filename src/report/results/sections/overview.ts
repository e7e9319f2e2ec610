// The beginning of the page: the answers as one table and one drawing, and which machines all figures come from.
import { byteText, fixed, percentChange, significant } from '../../format.ts';
import { linearScale } from '../../scales.ts';
import { type Section, table } from '../page-parts.ts';
import type { ResultFile } from '../result-file.ts';
import { type Row, rowChart } from '../row-chart.ts';
import { schemeEntry } from '../scheme-colours.ts';
import { answers, inFull, type Kinds } from '../summary.ts';
import { modelText } from './curves.ts';
import { columnsOf, shapeText } from './peers.ts';

export function overviewSection(results: readonly ResultFile[]): Section {
  const rows = answers(results);
  const groups = groupsOf(inFull(results)).filter(({ bars }) => bars.length > 0);
  const short = results.filter((result) => result.short).map(({ name }) => `\`${name}\``);
  return {
    heading: 'In short',
    parts: [
      ...(rows.length > 0 ? [table(['what', 'measured', 'beside it'], rows, [1, 2])] : []),
      ...(groups.length > 0
        ? [{ drawing: 'overview', title: 'Faster, as accurate, smaller', svg: chart(groups) }]
        : []),
      machinesText(results),
      ...(short.length > 0
        ? [`Not measured in full yet, and therefore not in this table: ${short.join(', ')}.`]
        : []),
    ],
  };
}

interface Group {
  readonly heading: string;
  readonly bars: readonly { readonly name: string; readonly value: number; readonly figure: string }[];
}

/** The presets that are the schemes of the other groups. */
const schemePresets: readonly (readonly [preset: string, scheme: string])[] = [
  ['w8a8', 'W8A8KV8'],
  ['w4a16', 'W4A16KV16'],
  ['w4a8kv4', 'W4A8KV4'],
  ['atom', 'W4A4KV4'],
];

function groupsOf(all: Kinds): Group[] {
  const faster = all('curves').map((result): Group => {
    const { memory = Number.NaN, asQuick = [] } = result.data.comparison.inMemory ?? {};
    return {
      heading: `Tokens per second in ${byteText(memory)}, each as quick as in 16 bits: ${modelText(result)}`,
      bars: asQuick.map(({ scheme, tokensPerSecond, batch }) => ({
        ...{ name: scheme, value: tokensPerSecond },
        figure: `${significant(tokensPerSecond)}, ${batch} together`,
      })),
    };
  });
  const beside = all('peers').flatMap((result) =>
    columnsOf(result)
      .filter(({ heading }) => heading === '16 sequences')
      .map(
        ({ heading, contenders }): Group => ({
          heading: `Tokens per second, ${heading}: ${shapeText(result)}`,
          bars: contenders.map(({ name, tokensPerSecond }) => ({
            ...{ name, value: tokensPerSecond, figure: significant(tokensPerSecond) },
          })),
        }),
      ),
  );
  const lost = all('presets').map(({ data: { model, presets } }): Group => {
    const bars = schemePresets.flatMap(([preset, name]) => {
      const { executed } = presets.find((each) => each.name === preset) ?? {};
      if (executed === undefined) return [];
      const change = executed.change - 1;
      return [{ name, value: Math.max(0, change), figure: percentChange(change) }];
    });
    return { heading: `Perplexity lost, in the kernels that serve: ${model}`, bars };
  });
  const memory = all('curves').map((result): Group => {
    const bars = result.data.comparison.needs.map(({ scheme, weightBytes, sequenceBytes }) => ({
      ...{ name: scheme, value: weightBytes },
      figure: `${byteText(weightBytes)}, ${byteText(sequenceBytes)} a sequence`,
    }));
    return { heading: `Memory of the weights, and of 512 tokens: ${modelText(result)}`, bars };
  });
  return [...faster, ...beside, ...lost, ...memory];
}

/** A group's bars on the scale of its longest. */
function chart(groups: readonly Group[]): string {
  const rows = groups.flatMap(({ heading, bars }) => {
    const most = Math.max(...bars.map(({ value }) => value)) || 1;
    return bars.map(
      ({ name, value, figure }, index): Row => ({
        ...{ name, figure },
        marks: [{ value: (100 * value) / most, colour: schemeEntry(name).colour, kind: 'bar' }],
        ...(index === 0 && { heading }),
      }),
    );
  });
  return rowChart({
    title: 'How much faster, how accurate, in how much memory',
    rows,
    xLabel: 'percent of the longest in the group',
    scale: (range) => linearScale([0, 100], range),
  });
}

/** Figures of different machines may stand side by side, never in one table of a run. */
export function machinesText(results: readonly ResultFile[]): string {
  const names = new Map<string, string[]>();
  for (const { name, machine } of results) {
    const { processor, cores, instructionSet, memory } = machine;
    const text = `${processor}, ${fixed(cores, 0)} cores (${instructionSet}), ${byteText(memory)}`;
    names.set(text, [...(names.get(text) ?? []), `\`${name}\``]);
  }
  if (names.size === 1) return `All figures are of one machine: ${[...names.keys()].join('')}.`;
  const list = [...names].map(([machine, own]) => `- ${machine}: ${own.join(', ')}`);
  return `Figures come from ${names.size} machines; compare them within one:\n\n${list.join('\n')}`;
}
