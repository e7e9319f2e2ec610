// Random quantized checkpoints: complete, repeatable, and run by the integer kernels as if they had been quantized.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { CpuBackend } from '../../src/backend/cpu/cpu-backend.ts';
import { openCheckpoint } from '../../src/checkpoint/open-checkpoint.ts';
import { randomShapes } from '../../src/checkpoint/random-checkpoint.ts';
import { loadModel } from '../../src/model/load-model.ts';
import { Scorer } from '../../src/model/scorer.ts';
import { presetNamed } from '../../src/quantize/presets.ts';
import { writeRandomQuantized } from '../../src/quantize/random-quantized.ts';

const backend = new CpuBackend();
const scratch = mkdtempSync(join(tmpdir(), 'atom-random-'));
afterAll(() => {
  backend[Symbol.dispose]();
  rmSync(scratch, { recursive: true });
});

const config = { ...randomShapes.tiny, num_hidden_layers: 2 };
const options = { config, toolVersion: '0.0.0-test' };
const bytesOf = (dir: string) => readdirSync(dir).map((name) => readFileSync(join(dir, name), 'base64'));

test.each(['atom', 'w4a8kv4', 'w8a8', 'w4a16', 'smoothquant'])('%s opens and computes', (preset) => {
  const dir = join(scratch, preset);
  const recipe = presetNamed(preset);
  writeRandomQuantized(dir, { ...options, recipe });
  const { quantization } = openCheckpoint(dir);
  expect(quantization!.fields.preset).toBe(preset);
  expect(quantization!.kvOf(0).keyBits).toBe(recipe.kv.keyBits);
  using model = loadModel(dir, { backend, maxTokens: 64 });
  using scorer = new Scorer({ model, backend, window: 64 });
  const scores = scorer.score(Int32Array.from({ length: 64 }, (_, i) => (i * 977) % 4096));
  // Nobody knows anything, and nothing has grown out of bounds.
  const mean = scores.reduce((sum, score) => sum + score, 0) / scores.length;
  expect(mean).toBeLessThan(-Math.log(4096) + 1);
  expect(mean).toBeGreaterThan(-Math.log(4096) - 3);
});

test('the same seed gives the same bytes, another seed others', () => {
  const write = (name: string, seed: number) => {
    const dir = join(scratch, name);
    writeRandomQuantized(dir, { ...options, recipe: presetNamed('atom'), seed });
    return bytesOf(dir);
  };
  const [first, again, other] = [write('a', 1), write('b', 1), write('c', 2)];
  expect(again).toEqual(first);
  expect(other).not.toEqual(first);
});

test('formats that are not plain integers are refused', () => {
  const write = () =>
    writeRandomQuantized(join(scratch, 'd'), { ...options, recipe: presetNamed('atom-nvfp4') });
  expect(write).toThrow(expect.objectContaining({ code: 'bad-option' }));
});
