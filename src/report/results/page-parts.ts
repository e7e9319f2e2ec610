// What the page of results is put together from, as Markdown: sections, tables, where figures come from.
import { byteText, dateText, durationText } from '../format.ts';
import type { ResultFile } from './result-file.ts';

export interface Section {
  readonly heading: string;
  readonly parts: readonly Part[];
}

/** Markdown, or a drawing that gets a file of its own. */
export type Part = string | { readonly drawing: string; readonly title: string; readonly svg: string };

/** The first column is text, the others are figures unless `texts` names them. */
export function table(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  texts: readonly number[] = [],
): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  const rule = headings.map((_, column) => (column === 0 || texts.includes(column) ? '---' : '---:'));
  return [line(headings), line(rule), ...rows.map(line)].join('\n');
}

/** File, date, commit, machine. */
export function sourceLine(result: ResultFile): string {
  const { name, date, commit, modified, seconds, machine, short } = result;
  const { processor, cores, instructionSet, memory, node, system } = machine;
  const state = modified ? ' with changes' : '';
  const facts = [
    `[results/${name}.json](../results/${name}.json): ${dateText(date)}`,
    `commit \`${commit}\`${state}`,
    `${processor}, ${cores} cores (${instructionSet}), ${byteText(memory)}, Node ${node}, ${system}`,
    durationText(seconds),
  ];
  const warning = short ? ' **A short run: it shows that the command works, not how fast.**' : '';
  return `<sub>${facts.join('; ')}.</sub>${warning}`;
}

/** What was typed, folded away where it is long. */
export function commandBlock({ commands }: ResultFile): string {
  const block = ['```sh', ...commands, '```'].join('\n');
  return commands.length < 4
    ? block
    : `<details><summary>${commands.length} commands</summary>\n\n${block}\n\n</details>`;
}

/** All that says where a section's figures come from. */
export function sources(...results: readonly (ResultFile | undefined)[]): string[] {
  return results.flatMap((result) =>
    result === undefined ? [] : [sourceLine(result), commandBlock(result)],
  );
}

export const of = (
  settings: readonly { label: string; value: string }[],
  label: string,
): string | undefined => settings.find((setting) => setting.label === label)?.value;
