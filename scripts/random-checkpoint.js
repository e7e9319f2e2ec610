// Writes a checkpoint of random weights in the shape of a well-known model, for benches.
// node scripts/random-checkpoint.js --shape 7b --out DIR [--layers N] [--seed S] [--tokenizer DIR|none]
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const built = join(root, 'dist', 'checkpoint', 'random-checkpoint.js');
if (!existsSync(built)) fail('dist/ is missing; run "npm run build" first.');
const { randomShapes, writeRandomCheckpoint } = await import(built);

function fail(message) {
  console.error(`random-checkpoint: ${message}`);
  process.exit(2);
}

function options() {
  try {
    return parseArgs({
      options: {
        shape: { type: 'string' },
        out: { type: 'string' },
        layers: { type: 'string' },
        seed: { type: 'string', default: '0' },
        tokenizer: { type: 'string', default: join(root, 'models', 'tiny-classics') },
      },
    }).values;
  } catch (error) {
    return fail(error.message);
  }
}

const { shape, out, layers, seed, tokenizer } = options();
const shapes = Object.keys(randomShapes).join(', ');
if (out === undefined || !Object.hasOwn(randomShapes, shape ?? '')) {
  fail(`needs --out DIR and --shape, one of ${shapes}.`);
}
for (const [name, value] of Object.entries({ layers, seed })) {
  if (value !== undefined && !/^\d{1,9}$/.test(value)) fail(`--${name} must be a count, not ${value}.`);
}

const config = { ...randomShapes[shape], ...(layers !== undefined && { num_hidden_layers: Number(layers) }) };
const started = performance.now();
try {
  const { files } = writeRandomCheckpoint(out, {
    config,
    seed: Number(seed),
    ...(tokenizer !== 'none' && { tokenizerFrom: tokenizer }),
  });
  const bytes = files.reduce((sum, file) => sum + file.byteLength, 0);
  const seconds = (performance.now() - started) / 1000;
  console.log(`${out}: ${(bytes / 1e9).toFixed(2)} GB in ${files.length} files, ${seconds.toFixed(1)} s`);
} catch (error) {
  console.error(`random-checkpoint: ${error.message}`);
  process.exit(error.exitCode ?? 70);
}
