// Builds and runs native/test without Node.
//   node scripts/test-native.js --sanitize   address and undefined-behaviour sanitizers, this machine's instruction sets
//   node scripts/test-native.js --arm64      cross-compiled for 64-bit Arm, run under qemu-user (on Debian:
//                                            apt-get install g++-aarch64-linux-gnu qemu-user)
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setsFor } from './instruction-sets.js';
import { kernelSources, sharedSources } from './native-sources.js';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const arm64 = process.argv.includes('--arm64');
const sanitize = process.argv.includes('--sanitize');

const sets = setsFor(arm64 ? 'arm64' : 'x64');

const compiler = arm64 ? 'aarch64-linux-gnu-g++' : 'g++';
const folder = join(root, 'build', arm64 ? 'native-arm64' : 'native-sanitize');
const common = [
  '-std=c++20',
  '-g',
  '-Wall',
  '-Wextra',
  '-Werror',
  '-Wno-uninitialized',
  '-Wno-maybe-uninitialized',
  '-fno-math-errno',
  '-fno-trapping-math',
  '-ffp-contract=on',
];
// Sanitized code is slow enough; -O1 keeps line numbers true.
const mode = sanitize ? ['-O1', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'] : ['-O3'];

const jobs = [
  ...[...sharedSources, 'native/test/kernels_test.cpp'].map((source) => ({
    source,
    object: basename(source),
    flags: [],
  })),
  ...sets.flatMap(({ name: isa, flags }) =>
    kernelSources.map((source) => ({
      source,
      object: `${isa}-${basename(source)}`,
      flags: [`-DATOM_ISA=${isa}`, ...flags],
    })),
  ),
].map((job) => ({ ...job, object: join(folder, `${job.object}.o`) }));

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (error) console.error(`${command} cannot be run: ${error.message}`);
  if (status !== 0) process.exit(status ?? 1);
}

mkdirSync(folder, { recursive: true });
const lines = jobs.map(({ source, object, flags }) =>
  [compiler, ...common, ...mode, ...flags, '-c', source, '-o', object].join(' '),
);
run('bash', [
  '-c',
  `printf '%s\\n' "$0" | xargs -P ${availableParallelism()} -I{} bash -c '{}'`,
  lines.join('\n'),
]);
const program = join(folder, 'kernels_test');
run(compiler, [
  ...mode,
  ...(arm64 ? ['-static'] : []),
  ...jobs.map(({ object }) => object),
  '-pthread',
  '-o',
  program,
]);
if (arm64) run('qemu-aarch64', [program]);
else run(program, []);
