// Packs the package as it would be published, and checks the tarball: what its manifest names is there (publint), and
// its types resolve wherever TypeScript may look (are the types wrong).
//   npm run check:package
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const bin = (...path) => join(root, 'node_modules', ...path);
const folder = mkdtempSync(join(tmpdir(), 'atom-package-'));

function run(name, command, args) {
  console.error(`atom-llm: ${name}`);
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (status === 0) return;
  console.error(`atom-llm: ${name} failed`);
  process.exit(status ?? 1);
}

process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
run('pack', 'npm', ['pack', '--silent', '--pack-destination', folder]);
const tarball = join(folder, readdirSync(folder)[0]);
run('publint', process.execPath, [bin('publint', 'src', 'cli.js'), tarball, '--strict']);
// The package is ESM: `require` of it works from Node 20.19 on, and TypeScript's node10 resolution predates `exports`.
run('types', process.execPath, [
  bin('@arethetypeswrong', 'cli', 'dist', 'index.js'),
  tarball,
  '--profile',
  'esm-only',
]);
