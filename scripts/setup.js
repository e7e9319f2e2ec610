// Makes a clone ready to run: dependencies, native kernels, compiled TypeScript, web pages; each only when missing or stale.
// Plain Node with no dependency, because it runs before anything is installed (npm's pre-scripts call it).
import { spawnSync } from 'node:child_process';
import { existsSync, lstatSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const [major, minor] = process.versions.node.split('.').map(Number);

function fail(message) {
  console.error(`atom-llm: ${message}`);
  process.exit(1);
}

function run(what, command, args) {
  console.error(`atom-llm: ${what} ...`);
  const result = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (result.error) fail(`${what} failed: ${result.error.message}`);
  if (result.status !== 0) fail(`${what} failed; its output is above.`);
}

const modified = (path) => (existsSync(path) ? statSync(path).mtimeMs : 0);

function newest(folder) {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  return Math.max(0, ...files.map((entry) => modified(join(entry.parentPath ?? entry.path, entry.name))));
}

if (major < 20 || (major === 20 && minor < 19))
  fail(`Node 20.19 or newer is needed, this is ${process.versions.node}.`);

const lock = join(root, 'package-lock.json');
const modules = join(root, 'node_modules');
// Where node_modules is a link (to another clone's), npm would empty what it leads to.
const linked = existsSync(modules) && lstatSync(modules).isSymbolicLink();
if (!linked && modified(join(modules, '.package-lock.json')) < modified(lock)) {
  // The install script compiles the add-on; it is run below, with its output shown.
  run('installing dependencies', 'npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund']);
}

const native = spawnSync(process.execPath, [join(root, 'scripts', 'build-native.js')], {
  cwd: root,
  stdio: ['ignore', 2, 2],
});
if (native.status !== 0) process.exit(native.status ?? 1);

const inputs = Math.max(
  newest(join(root, 'src')),
  modified(join(root, 'tsconfig.build.json')),
  modified(lock),
);
if (modified(join(root, 'dist', '.built')) < inputs) {
  // What was compiled from a file that is gone must not stay, or be packed.
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  run('compiling TypeScript', process.execPath, [
    join(root, 'node_modules', 'typescript', 'bin', 'tsc'),
    '-p',
    'tsconfig.build.json',
  ]);
  writeFileSync(join(root, 'dist', '.built'), '');
}

const web = join(root, 'web');
const pages = Math.max(
  newest(join(web, 'src')),
  newest(join(web, 'public')),
  modified(join(web, 'index.html')),
  modified(join(web, 'vite.config.ts')),
  modified(lock),
);
if (modified(join(web, 'dist', 'index.html')) < pages) {
  run('building the web pages', process.execPath, [
    join(root, 'node_modules', 'vite', 'bin', 'vite.js'),
    'build',
    'web',
    '--logLevel',
    'warn',
  ]);
}
