// Makes the native add-on available: takes a prebuilt binary when one fits, else compiles from source.
// Plain Node, no dependency but node-gyp: this runs as the package's install script, before anything else exists.
//   node scripts/build-native.js            build unless a fresh or prebuilt binary is there
//   node scripts/build-native.js --force    build anyway
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const binary = join(root, 'build', 'Release', 'atom.node');

function newestSource() {
  const files = ['native/cpu', 'native/node'].flatMap((folder) =>
    readdirSync(join(root, folder)).map((name) => join(root, folder, name)),
  );
  return Math.max(...[...files, join(root, 'binding.gyp')].map((file) => statSync(file).mtimeMs));
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

/**
 * What node-gyp-build will load (the build of this machine before a prebuilt one) belongs to these sources. Times tell
 * that in a clone; an installed package, which has no src, came with its prebuilt binaries.
 */
function isReady() {
  const belongs = (file) => statSync(file).mtimeMs >= newestSource();
  if (existsSync(binary)) return belongs(binary);
  return prebuilt().some((file) => belongs(file) || !existsSync(join(root, 'src')));
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

function nodeGyp() {
  const require = createRequire(import.meta.url);
  const bundled = join(
    dirname(process.execPath),
    '..',
    'lib',
    'node_modules',
    'npm',
    'node_modules',
    'node-gyp',
    'bin',
    'node-gyp.js',
  );
  try {
    return require.resolve('node-gyp/bin/node-gyp.js');
  } catch {
    if (process.env.npm_config_node_gyp) return process.env.npm_config_node_gyp;
    if (existsSync(bundled)) return bundled;
    return fail('node-gyp was found neither among the dependencies nor inside npm; run `npm install` again.');
  }
}

function build() {
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
  console.error('atom-llm: compiling the native kernels (about two minutes) ...');
  const args = [
    nodeGyp(),
    'configure',
    'build',
    `--jobs=${availableParallelism()}`,
    '--loglevel=error',
    ...headers,
  ];
  const result = spawnSync(process.execPath, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (result.status !== 0) fail('compiling the native kernels failed; the compiler output is above.');
}

if (process.argv.includes('--force') || !isReady()) build();
