// Kernels are compiled once per instruction set. A weak symbol that two sets share is merged by the linker, and the
// portable path may then run AVX-512 instructions; so every weak symbol must belong to its own set's namespace.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';

const folder = resolve(import.meta.dirname, '../../build/Release/obj.target');
const libraries = existsSync(folder) ? readdirSync(folder).filter((name) => /^isa_\w+\.a$/.test(name)) : [];
const hasNm = spawnSync('nm', ['--version']).status === 0;

test.skipIf(!hasNm || libraries.length === 0).each(libraries)(
  '%s shares no weak symbol with another set',
  (library) => {
    const isa = library.slice('isa_'.length, -'.a'.length);
    const { stdout } = spawnSync('nm', ['--demangle', join(folder, library)], {
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
    });
    const weak = stdout.split('\n').filter((line) => / [WVu] /.test(line));
    expect(stdout).toContain(`atom::${isa}::`);
    expect(weak.filter((line) => !line.includes(`atom::${isa}::`))).toEqual([]);
  },
);
