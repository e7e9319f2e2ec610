// Every `atom` command that the README and docs/ show is one that there is, with options that it has; every TypeScript
// example compiles against the package's own types.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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

/** The content of fenced blocks in one of these languages. */
function blocksOf(document: string, languages: string): string[] {
  const text = readFileSync(join(root, document), 'utf8');
  const pattern = new RegExp(`^\`\`\`(?:${languages})\\n(.*?)^\`\`\``, 'gms');
  return [...text.matchAll(pattern)].map(([, block]) => block!);
}

/** Lines of shell blocks that run `atom`; a backslash continues a line. */
function commandsOf(document: string): Shown[] {
  const blocks = blocksOf(document, 'sh|bash|console');
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

test('TypeScript examples compile', () => {
  // In the clone, where the packages that examples import are found.
  mkdirSync(join(root, '.cache'), { recursive: true });
  const folder = mkdtempSync(join(root, '.cache/documents-'));
  try {
    const examples = documents.flatMap((document) =>
      blocksOf(document, 'ts|typescript').map((code, index) => ({ document, index, code })),
    );
    expect(examples.length).toBeGreaterThan(1);
    for (const { document, index, code } of examples) {
      // An empty export makes every example a module of its own.
      writeFileSync(join(folder, `${document.replace(/\W/g, '-')}-${index + 1}.ts`), `${code}\nexport {};\n`);
    }
    const compilerOptions = { noUnusedLocals: false, paths: { 'atom-llm': [join(root, 'src/index.ts')] } };
    const settings = { extends: join(root, 'tsconfig.json'), compilerOptions, include: ['*.ts'] };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(settings));
    const compiler = join(root, 'node_modules/typescript/bin/tsc');
    const { stdout } = spawnSync(process.execPath, [compiler, '-p', folder], { encoding: 'utf8', cwd: root });
    expect(stdout).toBe('');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
