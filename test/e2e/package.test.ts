// The packed tarball in an empty folder: it installs with nothing but what it declares, and works there.
import { execFile, execFileSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type LocalRegistry, startLocalRegistry } from './local-registry.ts';

const root = resolve(import.meta.dirname, '../..');
const scratch = mkdtempSync(join(tmpdir(), 'atom-package-'));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  version: string;
  files: string[];
};
const execute = promisify(execFile);
let registry: LocalRegistry;

beforeAll(async () => {
  registry = await startLocalRegistry(root);
});
afterAll(async () => {
  await registry[Symbol.asyncDispose]();
  rmSync(scratch, { recursive: true });
});

/** What is published, beside what must not be; `prebuilt`: with this machine's add-on as a release would have it. */
function pack(name: string, { prebuilt }: { prebuilt: boolean }): string {
  const folder = join(scratch, name);
  mkdirSync(folder);
  for (const file of [...manifest.files, 'package.json', 'README.md', 'LICENSE', 'src', '.gitignore']) {
    if (file !== 'prebuilds' && existsSync(join(root, file)))
      cpSync(join(root, file), join(folder, file), { recursive: true });
  }
  if (prebuilt) {
    const place = join(folder, 'prebuilds', `${process.platform}-${process.arch}`);
    mkdirSync(place, { recursive: true });
    copyFileSync(join(root, 'build/Release/atom.node'), join(place, 'atom-llm.node'));
  }
  const packed = execFileSync(
    'npm',
    ['pack', '--ignore-scripts', '--silent', '--pack-destination', scratch],
    {
      cwd: folder,
      encoding: 'utf8',
    },
  );
  const tarball = join(scratch, `${name}.tgz`);
  cpSync(join(scratch, packed.trim()), tarball);
  return tarball;
}

/** Installs into an empty folder with an empty cache; gives a way to run things there. */
async function installed(tarball: string): Promise<(command: string, ...args: string[]) => Promise<string>> {
  const cwd = mkdtempSync(join(scratch, 'user-'));
  writeFileSync(join(cwd, 'package.json'), '{"name":"user","private":true,"type":"module"}');
  const env = {
    ...process.env,
    npm_config_cache: join(scratch, 'cache'),
    npm_config_registry: registry.url,
    // The other sets were compiled once already, from the same sources.
    ATOM_BUILD: 'best',
  };
  const run = async (command: string, ...args: string[]) =>
    (await execute(command, args, { cwd, env })).stdout;
  await run('npm', 'install', '--no-audit', '--no-fund', '--loglevel=error', tarball);
  expect(readdirSync(cwd).sort()).toEqual(['node_modules', 'package-lock.json', 'package.json']);
  return run;
}

/** The command and the library, as the README shows them. */
async function works(run: Awaited<ReturnType<typeof installed>>): Promise<void> {
  expect((await run('npx', 'atom', '--version')).trim()).toBe(manifest.version);
  expect(await run('npx', 'atom', '--help')).toMatch(/Usage: atom .*generate.*eval.*pull/s);
  const model = 'node_modules/atom-llm/models/tiny-classics';
  const prompt = ['--prompt', 'It was', '--max-tokens', '5', '--temperature', '0', '--json'];
  const { tokens } = JSON.parse(await run('npx', 'atom', 'generate', model, ...prompt)) as {
    tokens: number[];
  };
  expect(tokens).toHaveLength(5);
  const script = `
    import { CpuBackend, loadModel, loadTokenizer, measurePerplexity, Scorer } from 'atom-llm';
    const backend = new CpuBackend();
    const model = loadModel('${model}', { backend, compute: 'f32', maxTokens: 64 });
    const scorer = new Scorer({ model, backend, window: 16 });
    const tokenIds = loadTokenizer('${model}').encode('It was a dark night, and the ship lay still in the harbour.');
    const { perplexity } = await measurePerplexity({ scorer, tokenIds, window: 16 });
    console.log(perplexity > 1 && perplexity < 1000);`;
  expect(await run(process.execPath, '--input-type=module', '--eval', script)).toBe('true\n');
}

describe('the packed tarball', () => {
  test('holds what it needs to run and to be compiled, and nothing else', () => {
    const tarball = pack('contents', { prebuilt: false });
    const files = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' }).trim().split('\n');
    const needed = [
      'bin/atom.js',
      'dist/index.js',
      'dist/index.d.ts',
      'web/dist/index.html',
      'binding.gyp',
      'native/node/addon.cpp',
    ];
    for (const file of [
      ...needed,
      'models/tiny-classics/tokenizer.json',
      'scripts/build-native.js',
      'scripts/instruction-sets.js',
      'LICENSE',
    ]) {
      expect(files).toContain(`package/${file}`);
    }
    expect(files.filter((file) => /^package\/(src|test|golden|node_modules|build)\//.test(file))).toEqual([]);
  });

  test('installs in an empty folder with a prebuilt add-on, and runs', async () => {
    await works(await installed(pack('prebuilt', { prebuilt: true })));
  });

  // Compiling takes minutes, so this is for continuous integration.
  test.runIf(process.env.CI)('installs from source, and runs', { timeout: 600_000 }, async () => {
    await works(await installed(pack('source', { prebuilt: false })));
  });
});
