// Prints the native sources of one kind for binding.gyp, one path a line.
//   isa     compiled once per instruction set: every native/cpu/*.cpp that defines operators
//   common  compiled once
import { readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const compiledOnce = new Set(['faster_way.cpp', 'isa.cpp', 'processor.cpp', 'threads.cpp', 'memory.cpp']);

const listCpp = (folder) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.cpp'))
    .sort()
    .map((name) => `${folder}/${name}`);

const cpu = listCpp('native/cpu');
const isOnce = (path) => compiledOnce.has(path.slice('native/cpu/'.length));
const lists = {
  isa: cpu.filter((path) => !isOnce(path)),
  common: [...cpu.filter(isOnce), ...listCpp('native/node')],
};

const wanted = lists[process.argv[2]];
if (!wanted) throw new Error(`native-sources: expected one of ${Object.keys(lists).join(', ')}`);
process.stdout.write(`${wanted.join('\n')}\n`);
