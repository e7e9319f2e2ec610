// The library's `quantize`: what the command does, from a program.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  CpuBackend,
  calibrationWindows,
  loadModel,
  loadTokenizer,
  openCheckpoint,
  presetFor,
  quantize,
  readCalibrationText,
} from '../../src/index.ts';

const folder = resolve(import.meta.dirname, '../../models/tiny-classics');
const checkpoint = openCheckpoint(folder);
const backend = new CpuBackend();
const size = { samples: 4, sequenceLength: 64 };
let samples: Int32Array[];
let scratch: string;

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'atom-quantize-'));
  const text = await readCalibrationText(join(folder, 'calibration.txt'), size);
  const tokenizer = loadTokenizer(folder, { vocabSize: checkpoint.config.vocabSize });
  samples = calibrationWindows(tokenizer.encode(text), size);
});

afterAll(() => {
  rmSync(scratch, { recursive: true });
  backend[Symbol.dispose]();
});

test('a preset, fitted to the model, becomes a checkpoint that loads', async () => {
  const out = join(scratch, 'preset');
  const stages = new Set<string>();
  const recipe = presetFor('w4a8kv4', checkpoint.config);
  const { layers } = await quantize(checkpoint, {
    backend,
    samples,
    recipe,
    out,
    onProgress: (stage) => stages.add(stage),
  });
  expect(layers).toHaveLength(checkpoint.config.numLayers);
  expect([...stages]).toEqual(['profile', 'quantize']);
  using model = loadModel(out, { backend, maxTokens: 8 });
  const [first] = model.linearFormats;
  expect(first?.activation).toMatchObject({ kind: 'int', bits: 8, groupSize: 32, clip: 127 / 112 });
});

test('a budget spends bits layer by layer, and says why', async () => {
  const out = join(scratch, 'budget');
  const recipe = presetFor('w4a16', checkpoint.config);
  const { choice } = await quantize(checkpoint, { backend, samples, recipe, out, bitsBudget: 5.5 });
  expect(choice!.averageBits).toBeLessThanOrEqual(5.5);
  expect(choice!.choices).toHaveLength(4 * checkpoint.config.numLayers);
});

test('what is quantized already is refused, and nothing written', async () => {
  const again = openCheckpoint(join(scratch, 'preset'));
  const recipe = presetFor('atom', again.config);
  const before = readdirSync(scratch);
  const run = quantize(again, { backend, samples, recipe, out: join(scratch, 'again') });
  await expect(run).rejects.toMatchObject({ code: 'bad-option', message: /is quantized already/ });
  expect(readdirSync(scratch)).toEqual(before);
});

test('a run that was cancelled goes on where it stopped', async () => {
  const out = join(scratch, 'cancelled');
  const recipe = presetFor('rtn-w4a16', checkpoint.config);
  const stop = new AbortController();
  const options = { backend, samples, recipe, out };
  const run = quantize(checkpoint, { ...options, signal: stop.signal, onLayer: () => stop.abort() });
  await expect(run).rejects.toMatchObject({ code: 'cancelled' });
  const restored: boolean[] = [];
  await quantize(checkpoint, { ...options, onLayer: (_, before) => restored.push(before) });
  expect(restored.slice(0, 2)).toEqual([true, false]);
});
