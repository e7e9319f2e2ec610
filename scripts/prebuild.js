// Compiles the add-on for a release and puts it where node-gyp-build looks for it in an installed package:
//   prebuilds/linux-x64/atom-llm.glibc.node   prebuilds/linux-arm64/atom-llm.glibc.node   prebuilds/darwin-arm64/atom-llm.node
//   node scripts/prebuild.js                  for this machine
//   node scripts/prebuild.js linux-arm64      on linux-x64 with a cross compiler (Debian: apt-get install g++-aarch64-linux-gnu)
// It works in a copy of the sources, so that this clone's own build stays.
import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const here = `${process.platform}-${process.arch}`;
const target = process.argv[2] ?? here;

/** For each target: the one machine that can cross-compile it, and the tools it does that with. */
const cross = { 'linux-arm64': { from: 'linux-x64', prefix: 'aarch64-linux-gnu-' } }[target];

function fail(message) {
  console.error(`atom-llm: ${message}`);
  process.exit(1);
}

if (target !== here && cross?.from !== here) fail(`${target} cannot be compiled on ${here}; run this there.`);
const prefix = target === here ? '' : cross.prefix;

function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { stdio: ['ignore', 2, 2], ...options });
  if (error) fail(`${command} cannot be run: ${error.message}`);
  if (status !== 0) fail(`${command} failed; its output is above.`);
}

const work = mkdtempSync(join(tmpdir(), 'atom-prebuild-'));
process.on('exit', () => rmSync(work, { recursive: true, force: true }));
for (const name of ['binding.gyp', 'native', 'scripts', 'package.json'])
  cpSync(join(root, name), join(work, name), { recursive: true });

const nodePrefix = dirname(dirname(process.execPath));
const headers = existsSync(join(nodePrefix, 'include', 'node', 'node_api.h'))
  ? [`--nodedir=${nodePrefix}`]
  : [];
const [platform, arch] = target.split('-');
run(
  process.execPath,
  [
    createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js'),
    'configure',
    'build',
    `--arch=${arch}`,
    `--jobs=${availableParallelism()}`,
    '--loglevel=error',
    ...headers,
  ],
  {
    cwd: work,
    env: prefix
      ? { ...process.env, CC: `${prefix}gcc`, CXX: `${prefix}g++`, AR: `${prefix}ar` }
      : process.env,
  },
);
const built = join(work, 'build', 'Release', 'atom.node');
run(`${prefix}strip`, platform === 'darwin' ? ['-x', built] : ['--strip-unneeded', built]);

// node-gyp-build knows musl by this file, too.
const libc = platform !== 'linux' ? '' : existsSync('/etc/alpine-release') ? '.musl' : '.glibc';
const folder = join(root, 'prebuilds', target);
mkdirSync(folder, { recursive: true });
copyFileSync(built, join(folder, `atom-llm${libc}.node`));
console.error(`atom-llm: ${join('prebuilds', target, `atom-llm${libc}.node`)}`);
