// Makes a clone ready to run: dependencies, native kernels, compiled TypeScript, web pages; each only when missing or stale.
// Plain Node with no dependency, because it runs before anything is installed (npm's pre-scripts call it).
//   node scripts/setup.js          everything
//   node scripts/setup.js --best   kernels for no more than this machine needs to serve: `npm start` is to answer soon
import { spawn } from 'node:child_process';
import { existsSync, lstatSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`atom-llm: Node 20.19 or newer is needed, this is ${process.versions.node}.`);
  process.exit(1);
}

/** Thrown by a step that has said already what went wrong. */
class StepFailed extends Error {}

/** Ends with the command's exit code, or the reason that there is none. */
function ended(child) {
  return new Promise((settle) => {
    child.on('error', ({ message }) => settle(message));
    child.on('close', (code, signal) => settle(signal ?? code));
  });
}

/** Steps run side by side, so what a command prints is shown when it fails, in one piece. */
async function run(what, command, args) {
  const began = performance.now();
  console.error(`atom-llm: ${what} ...`);
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  const output = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => output.push(chunk));
  const code = await ended(child);
  if (code === 0) {
    console.error(`atom-llm: ${what} took ${((performance.now() - began) / 1000).toFixed(1)} s`);
    return;
  }
  process.stderr.write(Buffer.concat(output));
  console.error(`atom-llm: ${what} failed (${code}); its output is above.`);
  throw new StepFailed(what);
}

const modified = (path) => (existsSync(path) ? statSync(path).mtimeMs : 0);

function newest(folder) {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  return Math.max(0, ...files.map((entry) => modified(join(entry.parentPath ?? entry.path, entry.name))));
}

const lock = join(root, 'package-lock.json');
const modules = join(root, 'node_modules');

async function install() {
  // Where node_modules is a link (to another clone's), npm would empty what it leads to.
  const linked = existsSync(modules) && lstatSync(modules).isSymbolicLink();
  if (linked || modified(join(modules, '.package-lock.json')) >= modified(lock)) return;
  // The install script compiles the add-on; `compileKernels` does, with its output shown.
  await run('installing dependencies', 'npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund']);
}

async function compileKernels() {
  const script = join(root, 'scripts', 'build-native.js');
  const args = [script, ...process.argv.slice(2).filter((option) => option === '--best')];
  const code = await ended(spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 2, 2] }));
  if (code !== 0) throw new StepFailed('compiling the native kernels');
}

async function compileTypeScript() {
  const inputs = Math.max(
    newest(join(root, 'src')),
    modified(join(root, 'tsconfig.build.json')),
    modified(lock),
  );
  if (modified(join(root, 'dist', '.built')) >= inputs) return;
  // What was compiled from a file that is gone must not stay, or be packed.
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  // Checking types takes longer than all the rest of it, and is a step of `npm test`.
  await run('compiling TypeScript', process.execPath, [compiler, '-p', 'tsconfig.build.json', '--noCheck']);
  writeFileSync(join(root, 'dist', '.built'), '');
}

async function buildPages() {
  const web = join(root, 'web');
  const inputs = Math.max(
    newest(join(web, 'src')),
    newest(join(web, 'public')),
    modified(join(web, 'index.html')),
    modified(join(web, 'vite.config.ts')),
    modified(lock),
  );
  if (modified(join(web, 'dist', 'index.html')) >= inputs) return;
  const vite = join(root, 'node_modules', 'vite', 'bin', 'vite.js');
  await run('building the web pages', process.execPath, [vite, 'build', 'web', '--logLevel', 'warn']);
}

async function setUp() {
  const installed = install();
  // Compiling kernels needs node-gyp alone. npm brings its own, and says where when it runs this; else it is installed.
  const compiled = process.env.npm_config_node_gyp ? compileKernels() : installed.then(compileKernels);
  const built = installed.then(compileTypeScript).then(buildPages);
  // One that fails does not stop the others: what they finish is there the next time.
  for (const { reason } of await Promise.allSettled([compiled, built])) {
    if (reason === undefined) continue;
    if (!(reason instanceof StepFailed)) throw reason;
    process.exitCode = 1;
  }
}

await setUp();
