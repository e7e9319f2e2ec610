// The native sources, by how often they are compiled. Plain Node with no dependency; scripts import it, and binding.gyp asks
// it for paths, one a line:
//   node scripts/native-sources.js isa       once per instruction set: every native/cpu/*.cpp that defines operators
//   node scripts/native-sources.js common    once, with the bindings to Node
import { readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const once = new Set(
  ['faster_way', 'isa', 'memory', 'processor', 'threads'].map((name) => `native/cpu/${name}.cpp`),
);

const listCpp = (folder) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.cpp'))
    .sort()
    .map((name) => `${folder}/${name}`);

/** Paths from the root, of what kernels are made of: those of every instruction set, and those that all share. */
export const kernelSources = listCpp('native/cpu').filter((path) => !once.has(path));
export const sharedSources = [...once];

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const lists = { isa: kernelSources, common: [...sharedSources, ...listCpp('native/node')] };
  const wanted = lists[process.argv[2]];
  if (!wanted) throw new Error(`native-sources: expected one of ${Object.keys(lists).join(', ')}`);
  process.stdout.write(`${wanted.join('\n')}\n`);
}
