// Every `atom` command that the README and docs/ show is one that there is, with options that it has.
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { runAtom } from './run-atom.ts';

const root = resolve(import.meta.dirname, '../..');
const documents = [
  'README.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
];

interface Shown {
  readonly place: string;
  readonly command: string;
  readonly flags: readonly string[];
}

/** Lines of shell blocks that run `atom`; a backslash continues a line. */
function commandsOf(document: string): Shown[] {
  const text = readFileSync(join(root, document), 'utf8');
  const blocks = [...text.matchAll(/^```(?:sh|bash|console)\n(.*?)^```/gms)].map(([, block]) => block!);
  const lines = blocks.flatMap((block) => block.replaceAll('\\\n', ' ').split('\n'));
  return lines.flatMap((line) => {
    const match = /(?:^|[\s$])(?:npx )?atom ([a-z]+)\b([^|;&>#]*)/.exec(line);
    if (!match) return [];
    const flags = match[2]!.split(/\s+/).filter((word) => /^--?[a-z]/.test(word));
    return [
      {
        place: `${document}: ${line.trim()}`,
        command: match[1]!,
        flags: flags.map((flag) => flag.replace(/=.*/, '')),
      },
    ];
  });
}

const shown = documents.flatMap(commandsOf);

/** Help of a command, with that of its own commands. */
async function helpOf(command: string): Promise<string> {
  const { status, stdout } = await runAtom([command, '--help']);
  if (status !== 0) return '';
  const inner = /^Commands:\n(.*)/ms.exec(stdout)?.[1] ?? '';
  const names = [...inner.matchAll(/^ {2}([a-z]+)/gm)]
    .map(([, name]) => name!)
    .filter((name) => name !== 'help');
  const helps = await Promise.all(
    names.map(async (name) => (await runAtom([command, name, '--help'])).stdout),
  );
  return [stdout, ...helps].join('\n');
}

test('documents show commands', () => {
  expect(shown.length).toBeGreaterThan(10);
  expect(new Set(shown.map(({ command }) => command)).size).toBeGreaterThan(4);
});

test.each([...new Set(shown.map(({ command }) => command))])(
  'atom %s is documented as it is',
  async (command) => {
    const help = await helpOf(command);
    const wrong = shown
      .filter((each) => each.command === command)
      .flatMap(({ place, flags }) =>
        flags
          .filter((flag) => !new RegExp(`(^|[ ,])${flag}(?![\\w-])`, 'm').test(help))
          .map((flag) => `${flag} in ${place}`),
      );
    expect(help).not.toBe('');
    expect(wrong).toEqual([]);
  },
);
