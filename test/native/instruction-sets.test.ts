// The instruction sets as the build knows them: found before anything is compiled, the same ones everywhere, and one set's
// objects of use to a build of more.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { availableIsas } from '../../src/backend/cpu/native.ts';

interface InstructionSets {
  setsFor(arch: string): { name: string; flags: string[] }[];
  bestSetOf(arch: string, cpuinfo: string): string | undefined;
  bestSet(): string | undefined;
}

const root = resolve(import.meta.dirname, '../..');
const work = mkdtempSync(join(tmpdir(), 'atom-isas-'));
let sets: InstructionSets;

beforeAll(async () => {
  sets = await import(pathToFileURL(join(root, 'scripts/instruction-sets.js')).href);
});
afterAll(() => rmSync(work, { recursive: true }));

const haswell = 'fpu sse4_2 fma movbe avx f16c rdrand abm avx2 bmi1 bmi2 erms';
const alderLake = `${haswell} sha_ni avx_vnni gfni vaes`;
const iceLake = `${haswell} avx512f avx512dq avx512cd avx512bw avx512vl avx512vbmi avx512_vnni`;
const zen4 = `${iceLake} avx512_bf16`;
const sapphireRapids = `${zen4} avx_vnni amx_bf16 avx512_fp16 amx_tile amx_int8`;
const graviton = 'fp asimd evtstrm aes crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp ssbs';

test.each([
  ['x64', 'portable', 'fpu sse sse2 ssse3 sse4_1 sse4_2'],
  ['x64', 'avx2', haswell],
  ['x64', 'avxvnni', alderLake],
  ['x64', 'avx512vnni', iceLake],
  ['x64', 'avx512', zen4],
  ['x64', 'amx', sapphireRapids],
  ['arm64', 'neon', graviton],
  ['arm64', 'portable', 'fp asimd evtstrm crc32 cpuid'],
])('on %s %s is the best where /proc/cpuinfo says so', (arch, best, features) => {
  const key = arch === 'x64' ? 'flags\t\t' : 'Features\t';
  const processor = `processor\t: 0\n${key}: ${features}\nbogomips\t: 4000.00\n\n`;
  expect(sets.bestSetOf(arch, processor + processor)).toBe(best);
});

test('a machine that does not say what it has gets every set', () => {
  expect(sets.bestSetOf('x64', 'processor\t: 0\nvendor_id\t: x\n')).toBeUndefined();
});

test('what this machine says of itself is what its instructions say', () => {
  if (process.platform === 'linux') expect(sets.bestSet()).toBe(availableIsas().at(-1));
});

test.each([
  ['x64', 'X86'],
  ['arm64', 'ARM'],
])('native/cpu/isa.h and binding.gyp have the sets of %s', (arch, macro) => {
  const names = sets.setsFor(arch).map(({ name }) => name);
  const header = readFileSync(join(root, 'native/cpu/isa.h'), 'utf8');
  const list = new RegExp(`#define ATOM_${macro}_ISAS\\(X\\) (.*)`).exec(header)![1]!;
  expect([...list.matchAll(/X\((\w+)\)/g)].map(([, name]) => name)).toEqual(names);
  const gyp = readFileSync(join(root, 'binding.gyp'), 'utf8');
  for (const name of names) {
    expect(gyp).toMatch(
      new RegExp(
        `'${name}' in isas.*"target_name": "isa_${name}".*"ATOM_ISA=${name}".*flags ${name}\\)`,
        's',
      ),
    );
  }
});

/** What make would run for a choice of sets, in a copy of the sources that holds no object. */
function commands(isas: string): string[] {
  const folder = join(work, isas);
  for (const name of ['binding.gyp', 'native', 'scripts', 'package.json'])
    cpSync(join(root, name), join(folder, name), { recursive: true });
  const prefix = dirname(dirname(process.execPath));
  const nodeGyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
  const configure = [nodeGyp, 'configure', `--nodedir=${prefix}`, '--', `-Datom_isas=${isas}`];
  const options = { cwd: folder, encoding: 'utf8' as const, maxBuffer: 2 ** 28 };
  const { status, stderr } = spawnSync(process.execPath, configure, options);
  if (status !== 0) throw new Error(stderr);
  const { stdout } = spawnSync('make', ['-n', '-C', 'build', 'BUILDTYPE=Release', 'V=1'], options);
  return stdout.split('\n').filter((line) => /^[^']* -o Release\/obj\.target\/isa_/.test(line));
}

const hasMake = spawnSync('make', ['--version']).status === 0;

test.skipIf(!hasMake || process.platform === 'win32')(
  'a set is compiled by the same commands whatever is compiled beside it, and nothing else is',
  () => {
    const [plain, best] = [sets.setsFor(process.arch)[0]!, sets.setsFor(process.arch).at(-1)!];
    const one = commands(best.name);
    const all = commands('all');
    const of = (lines: string[], name: string) =>
      lines.filter((line) => line.includes(`-DATOM_ISA=${name}'`));
    expect(of(one, best.name).length).toBeGreaterThan(10);
    expect(of(all, best.name)).toEqual(of(one, best.name));
    expect(of(one, plain.name)).toEqual([]);
    expect(of(all, plain.name).length).toBe(of(one, best.name).length);
    for (const flag of best.flags) expect(of(one, best.name)[0]).toContain(` ${flag} `);
  },
  60_000,
);
