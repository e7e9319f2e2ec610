// The instruction sets that kernels are compiled for: the compiler's flags of each, and how a machine that has it is known
// before anything is compiled. Plain Node with no dependency; build scripts import it, and binding.gyp asks it:
//   node scripts/instruction-sets.js names x64 all     the sets to compile, plainest first; or x64 portable,avx2
//   node scripts/instruction-sets.js targets x64 all   the same as gyp's targets
//   node scripts/instruction-sets.js macro x64 all     the same as a list for C++: X(portable) X(avx2)
//   node scripts/instruction-sets.js flags avx2        the compiler's flags
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const portable = { name: 'portable', arch: 'any', flags: [], cpuinfo: [] };

/** `flags` and words of Linux's /proc/cpuinfo that a set needs beyond those of a plainer one. */
const beyond = (plainer, name, flags, cpuinfo, arch = 'x64') => ({
  name,
  arch,
  flags: [...plainer.flags, ...flags],
  cpuinfo: [...plainer.cpuinfo, ...cpuinfo],
});

// Lines that will be written are asked for as such (prfchw): processors that cannot, do nothing there.
const avx2 = beyond(
  portable,
  'avx2',
  ['-mavx2', '-mfma', '-mf16c', '-mbmi2', '-mprfchw'],
  ['avx2', 'fma', 'f16c', 'bmi2'],
);
const avxvnni = beyond(avx2, 'avxvnni', ['-mavxvnni'], ['avx_vnni']);
const avx512vnni = beyond(
  avx2,
  'avx512vnni',
  ['-mavx512f', '-mavx512bw', '-mavx512dq', '-mavx512vl', '-mavx512vnni', '-mprefer-vector-width=512'],
  ['avx512f', 'avx512bw', 'avx512dq', 'avx512vl', 'avx512_vnni'],
);
const avx512 = beyond(avx512vnni, 'avx512', ['-mavx512bf16', '-mavx512vbmi'], ['avx512_bf16', 'avx512vbmi']);
const amx = beyond(
  avx512,
  'amx',
  ['-mamx-tile', '-mamx-int8', '-mamx-bf16'],
  ['amx_tile', 'amx_int8', 'amx_bf16'],
);
const neon = beyond(portable, 'neon', ['-march=armv8.2-a+dotprod+fp16'], ['asimddp'], 'arm64');

/** The order is that of native/cpu/isa.h, plainest first. */
const instructionSets = [portable, avx2, avxvnni, avx512vnni, avx512, amx, neon];

/** Sets that there are for an architecture, as Node names it. */
export function setsFor(arch) {
  return instructionSets.filter((set) => set.arch === 'any' || set.arch === arch);
}

/** Name of the best set of a machine by its /proc/cpuinfo; undefined where that names no features. */
export function bestSetOf(arch, cpuinfo) {
  const features = /^(?:flags|Features)\s*:(.*)$/m.exec(cpuinfo)?.[1];
  if (features === undefined) return undefined;
  const has = new Set(features.split(/\s+/));
  return setsFor(arch)
    .filter((set) => set.cpuinfo.every((word) => has.has(word)))
    .at(-1).name;
}

/** Name of the best set of this machine; undefined where only running its instructions could tell. */
export function bestSet() {
  if (process.platform === 'darwin' && process.arch === 'arm64') return neon.name;
  if (process.platform !== 'linux') return undefined;
  try {
    return bestSetOf(process.arch, readFileSync('/proc/cpuinfo', 'latin1'));
  } catch {
    return undefined;
  }
}

/** `asked`: "all", or names with commas between. */
function names(arch, asked) {
  const all = setsFor(arch).map(({ name }) => name);
  if (asked === 'all') return all;
  const wanted = asked.split(',');
  const unknown = wanted.filter((name) => !all.includes(name));
  if (unknown.length > 0) throw new Error(`${arch} has no instruction set ${unknown.join(', ')}`);
  return all.filter((name) => wanted.includes(name));
}

const answers = {
  names: (arch, asked) => names(arch, asked),
  targets: (arch, asked) => names(arch, asked).map((name) => `isa_${name}`),
  macro: (arch, asked) => names(arch, asked).map((name) => `X(${name})`),
  flags: (wanted) => instructionSets.find(({ name }) => name === wanted).flags,
};

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const [question, ...rest] = process.argv.slice(2);
  process.stdout.write(`${answers[question](...rest).join(' ')}\n`);
}
