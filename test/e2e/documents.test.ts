// Every `atom` command that the README and docs/ name is one that there is, with options that it has; every link leads
// somewhere; every TypeScript example compiles against the package's own types. document-commands.test.ts runs the commands.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { blocksOf, commandsOf, documents, root } from './document-commands.ts';
import { runAtom } from './run-atom.ts';

interface Shown {
  readonly place: string;
  readonly command: string;
  readonly flags: readonly string[];
}

const textOf = (document: string) => readFileSync(join(root, document), 'utf8');

/** Text outside of blocks. */
const proseOf = (document: string) => textOf(document).replaceAll(/^```.*?^```/gms, '');

/** Of shell blocks, and of code within sentences. */
function atomCommandsOf(document: string): Shown[] {
  const blocks = blocksOf(document, 'sh|bash|console').flatMap(commandsOf);
  const spans = [...proseOf(document).matchAll(/`(atom [^`]*)`/g)].map(([, code]) => code!);
  return [...blocks, ...spans].flatMap((line) => {
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

const shown = documents.flatMap(atomCommandsOf);

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

/** As GitHub names a heading. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');

const anchorsOf = (document: string) =>
  [...proseOf(document).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchorOf(heading!));

test.each([...documents, 'ARCHITECTURE.md', 'CONTRIBUTING.md'])(
  'every link of %s leads somewhere',
  (document) => {
    const links = [...proseOf(document).matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)/g)];
    for (const [link, path, anchor] of links) {
      const target = path === '' ? document : join(dirname(document), path!);
      expect([link, existsSync(join(root, target))]).toEqual([link, true]);
      if (anchor !== undefined)
        expect([link, anchorsOf(target)]).toEqual([link, expect.arrayContaining([anchor])]);
    }
  },
);

test('the index names every page, and the README stays short', () => {
  const index = textOf('docs/README.md');
  for (const document of documents.filter((name) => /^docs\/(?!README)/.test(name)))
    expect(index).toContain(`](${document.slice('docs/'.length)})`);
  expect(textOf('README.md').split('\n').length).toBeLessThan(200);
});

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
