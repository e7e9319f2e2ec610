// Quantizing into a folder: what is read back is what was simulated, a run that was stopped goes on to the same bytes, and
// folders that hold something else are left alone.
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CpuBackend } from '../../src/backend/cpu/cpu-backend.ts';
import { openCheckpoint } from '../../src/checkpoint/open-checkpoint.ts';
import { randomShapes, writeRandomCheckpoint } from '../../src/checkpoint/random-checkpoint.ts';
import { modelSource } from '../../src/model/load-model.ts';
import { Model } from '../../src/model/model.ts';
import type { ModelSource } from '../../src/model/model-source.ts';
import { Scorer } from '../../src/model/scorer.ts';
import { presets, resized } from '../../src/quantize/presets.ts';
import type { Recipe } from '../../src/quantize/recipe.ts';
import { simulate } from '../../src/quantize/simulate.ts';
import { writeQuantized } from '../../src/quantize/write-checkpoint.ts';

const root = resolve(import.meta.dirname, '../..');
const backend = new CpuBackend();
const samples = Array.from({ length: 4 }, (_, s) =>
  Int32Array.from({ length: 64 }, (_, i) => (s * 977 + i * i * 31) % 512),
);
const config = {
  ...randomShapes.tiny,
  vocab_size: 4096,
  hidden_size: 128,
  intermediate_size: 256,
  num_hidden_layers: 3,
  num_attention_heads: 4,
};
let scratch: string;
let model: string;

beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'atom-write-'));
  model = join(scratch, 'model');
  writeRandomCheckpoint(model, { config, tokenizerFrom: join(root, 'models/tiny-classics') });
});
afterAll(() => rmSync(scratch, { recursive: true }));

const small = (recipe: Recipe) => resized(recipe, { groupSize: 32, outliers: 32 });
const base = { backend, samples, toolVersion: '0.0.0-test' };

function hashesOf(folder: string): Record<string, string> {
  const names = readdirSync(folder).filter((name) => /safetensors|config\.json/.test(name));
  const hash = (name: string) =>
    createHash('sha256')
      .update(readFileSync(join(folder, name)))
      .digest('hex');
  return Object.fromEntries(names.map((name) => [name, hash(name)]));
}

/** Log-probabilities of some tokens: as sensitive to a wrong bit as perplexity, and quick. */
function scoresOf(source: ModelSource): number[] {
  using running = new Model(source, { backend, maxTokens: 64, maxOutputs: 64 });
  using scorer = new Scorer({ model: running, backend, window: 64 });
  return Array.from(scorer.score(samples[0]!));
}

test.each(presets.map((preset) => [preset.name, small(preset)] as const))(
  '%s: the checkpoint read back computes what the simulation computes',
  async (name, recipe) => {
    const out = join(scratch, name);
    const checkpoint = openCheckpoint(model);
    await writeQuantized(checkpoint, { ...base, recipe, out });
    const written = openCheckpoint(out);
    const expected = scoresOf(await simulate(checkpoint, { ...base, recipe }));
    // Who quantizes leaves the output layer alone.
    const got = scoresOf(modelSource(written, { backend, simulate: true, head: 'bf16' }));
    expect(got).toEqual(expected);
  },
);

test('a run that is stopped between layers goes on to the same bytes', async () => {
  const recipe = small(presets[0]!);
  const checkpoint = openCheckpoint(model);
  const [whole, pieces] = [join(scratch, 'whole'), join(scratch, 'pieces')];
  await writeQuantized(checkpoint, { ...base, recipe, out: whole });
  for (const layersDone of [1, 2]) {
    const controller = new AbortController();
    const onLayer = ({ index }: { index: number }) => index + 1 === layersDone && controller.abort();
    const run = writeQuantized(checkpoint, {
      ...base,
      recipe,
      out: pieces,
      onLayer,
      signal: controller.signal,
    });
    await expect(run).rejects.toMatchObject({ code: 'cancelled' });
    expect(() => openCheckpoint(pieces)).toThrow(/not a model/);
  }
  const restored: boolean[] = [];
  await writeQuantized(checkpoint, {
    ...base,
    recipe,
    out: pieces,
    onLayer: (_, earlier) => restored.push(earlier),
  });
  expect(restored).toEqual([true, true, false]);
  expect(hashesOf(pieces)).toEqual(hashesOf(whole));
});

test('a shard of another seed, or a damaged one, is not taken over', async () => {
  const recipe = small(presets[0]!);
  const checkpoint = openCheckpoint(model);
  const out = join(scratch, 'damaged');
  await writeQuantized(checkpoint, { ...base, recipe, out });
  const before = hashesOf(out);
  const other = writeQuantized(checkpoint, { ...base, recipe, out, seed: 1 });
  await expect(other).rejects.toMatchObject({
    code: 'bad-option',
    message: expect.stringContaining('--overwrite'),
  });
  writeFileSync(join(out, 'model-00003-of-00004.safetensors'), 'no tensors');
  await writeQuantized(checkpoint, { ...base, recipe, out });
  expect(hashesOf(out)).toEqual(before);
});

test('weights that are not finite are refused by name', async () => {
  const broken = join(scratch, 'broken');
  writeRandomCheckpoint(broken, { config });
  const file = join(broken, 'model.safetensors');
  const bytes = readFileSync(file);
  const headerBytes = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerBytes)) as Record<
    string,
    { data_offsets: number[] }
  >;
  bytes.writeUInt16LE(
    0x7fc0,
    8 + headerBytes + header['model.layers.0.mlp.down_proj.weight']!.data_offsets[0]!,
  );
  writeFileSync(file, bytes);
  const run = writeQuantized(openCheckpoint(broken), {
    ...base,
    recipe: small(presets.find(({ name }) => name === 'rtn-w4a16')!),
    out: join(scratch, 'never'),
  });
  await expect(run).rejects.toMatchObject({ code: 'numeric', message: expect.stringContaining('down_proj') });
});
