// Makes the native add-on available: takes a prebuilt binary when one fits, else compiles from source.
// Plain Node, no dependency but node-gyp: this runs as the package's install script, before anything else exists.
//   node scripts/build-native.js            build unless a fresh or prebuilt binary is there, with every instruction set
//   node scripts/build-native.js --best     the best set of this machine is enough; a later build adds the others, and
//                                           compiles nothing twice
//   node scripts/build-native.js --force    build anyway
// ATOM_BUILD=best does what --best does, for an installation that is to compile no longer than it must.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bestSet, setsFor } from './instruction-sets.js';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const binary = join(root, 'build', 'Release', 'atom.node');

function newestSource() {
  const files = ['native/cpu', 'native/node'].flatMap((folder) =>
    readdirSync(join(root, folder)).map((name) => join(root, folder, name)),
  );
  const recipes = ['binding.gyp', 'scripts/instruction-sets.js'].map((name) => join(root, name));
  return Math.max(...[...files, ...recipes].map((file) => statSync(file).mtimeMs));
}

/** Prebuilt binaries that run here: node-gyp-build knows the C library by the same mark in the name. */
function prebuilt() {
  const folder = join(root, 'prebuilds', `${process.platform}-${process.arch}`);
  const otherLibc = existsSync('/etc/alpine-release') ? '.glibc.' : '.musl.';
  const names = existsSync(folder) ? readdirSync(folder) : [];
  return names
    .filter((name) => name.endsWith('.node') && !name.includes(otherLibc))
    .map((name) => join(folder, name));
}

/** The instruction sets that the binary of this machine's build has, and which of them this machine can run. */
function builtSets() {
  const ask = `const { linkedIsas, isas } = require(${JSON.stringify(binary)});
    JSON.stringify({ linked: linkedIsas, usable: Object.keys(isas) })`;
  // In a process of its own: the file is about to be replaced, and one of another machine may be no use to load.
  const { status, stdout } = spawnSync(process.execPath, ['--print', ask], { encoding: 'utf8' });
  const { linked = [], usable = [] } = status === 0 ? JSON.parse(stdout) : {};
  return { linked, usable };
}

/**
 * What node-gyp-build will load (the build of this machine before a prebuilt one) belongs to these sources and has these
 * sets. Times tell the first in a clone; an installed package, which has no src, came with its prebuilt binaries. Those
 * have all sets.
 */
function isReady(sets) {
  const belongs = (file) => statSync(file).mtimeMs >= newestSource();
  if (!existsSync(binary)) return prebuilt().some((file) => belongs(file) || !existsSync(join(root, 'src')));
  const { linked } = belongs(binary) ? builtSets() : { linked: [] };
  return sets.every((name) => linked.includes(name));
}

/** The tools a source build needs, each with the package that brings it on Debian and Ubuntu. */
function missingTools() {
  const needed = [
    { command: 'g++', debian: 'g++' },
    { command: 'make', debian: 'make' },
    { command: 'python3', debian: 'python3' },
  ];
  if (process.platform === 'darwin') needed[0] = { command: 'clang++', debian: '' };
  return needed.filter(({ command }) => spawnSync(command, ['--version'], { stdio: 'ignore' }).status !== 0);
}

function fail(message) {
  console.error(`atom-llm: ${message}`);
  process.exit(1);
}

/** npm's own node-gyp: it is there before anything is installed, and what is built twice is built by the same one. */
function nodeGyp() {
  const beside = ['..', 'lib', 'node_modules', 'npm', 'node_modules', 'node-gyp', 'bin', 'node-gyp.js'];
  const bundled = join(dirname(process.execPath), ...beside);
  const own = [process.env.npm_config_node_gyp, bundled].find((file) => file && existsSync(file));
  if (own) return own;
  try {
    return createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
  } catch {
    return fail('node-gyp was found neither inside npm nor among the dependencies; run `npm install` again.');
  }
}

function build(sets) {
  const missing = missingTools();
  if (missing.length > 0) {
    const names = missing.map(({ command }) => command).join(', ');
    const advice =
      process.platform === 'darwin'
        ? 'run `xcode-select --install`'
        : `install them, on Debian and Ubuntu with: apt-get install ${missing.map(({ debian }) => debian).join(' ')}`;
    fail(`the native kernels must be compiled here, and ${names} cannot be found; ${advice}.`);
  }
  // node-gyp would fetch Node's headers from the network; Node's own prefix usually holds them.
  const prefix = dirname(dirname(process.execPath));
  const headers = existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? [`--nodedir=${prefix}`] : [];
  const began = performance.now();
  console.error(`atom-llm: compiling the native kernels (${sets.join(', ')}), a minute or more ...`);
  const run = (...args) => {
    const command = [nodeGyp(), '--loglevel=error', ...headers, ...args];
    const output = spawnSync(process.execPath, command, { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 30 });
    if (output.status === 0) return;
    process.stderr.write(`${output.stdout}${output.stderr}`);
    fail('compiling the native kernels failed; the compiler output is above.');
  };
  run('configure', '--', `-Datom_isas=${sets.join(',')}`);
  run('build', `--jobs=${availableParallelism()}`);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.error(`atom-llm: compiling the native kernels took ${seconds} s`);
}

const all = setsFor(process.arch).map(({ name }) => name);
const shortest = process.argv.includes('--best') || process.env.ATOM_BUILD === 'best';
const best = shortest ? bestSet() : undefined;
const wanted = best === undefined ? all : [best];
if (process.argv.includes('--force') || !isReady(wanted)) {
  build(wanted);
  // What the processor has, the operating system may withhold (Linux asks for permission to use AMX tiles).
  if (best !== undefined && !builtSets().usable.includes(best)) build(all);
}
