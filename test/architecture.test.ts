// The house is held here: which room may import which (the table of ARCHITECTURE.md), how long a file may be.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '..');
const source = join(root, 'src');

/** room -> rooms it may import, from the table of ARCHITECTURE.md; `any` allows all. */
function readTable(): Map<string, readonly string[]> {
  const text = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8');
  const rows = [...text.matchAll(/^\| `(\w+)` \|[^|]*\|([^|]*)\|$/gm)];
  return new Map(rows.map(([, room, cell]) => [room!, cell!.match(/\b[a-z]+\b/g) ?? []]));
}

const mayImport = readTable();
/** What belongs to no room. */
const shared = ['errors.ts', 'package-version.ts'];

function filesUnder(folder: string, endings: readonly string[]): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && endings.some((ending) => entry.name.endsWith(ending)))
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Relative imports of a file as absolute paths; `typeOnly` tells `import type` apart. */
function importsOf(file: string): { target: string; typeOnly: boolean }[] {
  const text = readFileSync(file, 'utf8');
  const pattern = /(?:import|export)\s+(type\s+)?(?:[^'";]*?\s+from\s+)?['"](\.{1,2}\/[^'"]+)['"]/g;
  return [...text.matchAll(pattern)].map(([, type, path]) => ({
    target: resolve(dirname(file), path!),
    typeOnly: type !== undefined,
  }));
}

test('every room of the table exists and imports only what its row names', () => {
  const trespasses: string[] = [];
  for (const file of filesUnder(source, ['.ts'])) {
    const [room] = relative(source, file).split(sep);
    if (room === undefined || room.endsWith('.ts')) continue;
    const allowed = mayImport.get(room);
    if (allowed === undefined) {
      trespasses.push(`src/${room} is not a room`);
      continue;
    }
    for (const { target, typeOnly } of importsOf(file)) {
      const [other] = relative(source, target).split(sep);
      if (other === undefined || other === room || shared.includes(other) || allowed.includes('any'))
        continue;
      const inReference = relative(source, file).startsWith(join('backend', 'reference'));
      if (room === 'backend' && !inReference)
        trespasses.push(`${relative(root, file)} imports ${relative(root, target)}`);
      if (room === 'report' && typeOnly) continue;
      if (!allowed.includes(other))
        trespasses.push(`${relative(root, file)} imports ${relative(root, target)}`);
    }
  }
  expect(trespasses).toEqual([]);
});

test('no file is longer than 500 lines', () => {
  const folders = ['src', 'native', 'test', 'scripts'].map((name) => join(root, name));
  const long = folders
    .flatMap((folder) => filesUnder(folder, ['.ts', '.js', '.h', '.cpp']))
    .map((file) => ({ file: relative(root, file), lines: readFileSync(file, 'utf8').split('\n').length }))
    .filter(({ lines }) => lines > 500);
  expect(long).toEqual([]);
});
