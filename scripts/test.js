// The whole check, in the order that fails soonest: lint and format, types, tests.
// Arguments go to the test runner: `npm test -- test/backend`.
import { spawnSync } from 'node:child_process';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const bin = (...path) => join(root, 'node_modules', ...path);

const steps = [
  ['lint', bin('@biomejs', 'biome', 'bin', 'biome'), ['check', '--error-on-warnings', '.']],
  ['types', bin('typescript', 'bin', 'tsc'), ['-p', 'tsconfig.json']],
  ['types of the web pages', bin('typescript', 'bin', 'tsc'), ['-p', 'web/tsconfig.json']],
  ['tests', bin('vitest', 'vitest.mjs'), ['run', ...process.argv.slice(2)]],
];

for (const [name, script, args] of steps) {
  console.error(`atom-llm: ${name}`);
  const { status } = spawnSync(process.execPath, [script, ...args], { cwd: root, stdio: 'inherit' });
  if (status !== 0) {
    console.error(`atom-llm: ${name} failed`);
    process.exit(status ?? 1);
  }
}
