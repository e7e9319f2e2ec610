// The integer kernels and the simulation of the same checkpoint: perplexity within 0.1 %, for every scheme that is served.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CpuBackend } from '../../src/backend/cpu/cpu-backend.ts';
import { openCheckpoint } from '../../src/checkpoint/open-checkpoint.ts';
import type { QuantizedFormat } from '../../src/checkpoint/quantization-config.ts';
import { measurePerplexity, type PerplexityResult } from '../../src/evaluate/perplexity.ts';
import { standardError } from '../../src/evaluate/statistics.ts';
import type { HeadFormat } from '../../src/model/head-format.ts';
import { loadModel } from '../../src/model/load-model.ts';
import { Scorer } from '../../src/model/scorer.ts';
import { calibrationWindows } from '../../src/quantize/calibration-text.ts';
import { presetNamed, resized } from '../../src/quantize/presets.ts';
import { writeQuantized } from '../../src/quantize/write-checkpoint.ts';
import { loadTokenizer } from '../../src/tokenizer/load-tokenizer.ts';
import { nightlyTest } from '../nightly.ts';

const root = resolve(import.meta.dirname, '../..');
const texts = join(root, 'models/tiny-classics');
const backend = new CpuBackend();
let scratch: string;

beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'atom-packed-'));
});
afterAll(() => rmSync(scratch, { recursive: true }));

async function write(name: string, preset: string, weightFormat?: QuantizedFormat): Promise<string> {
  const path = join(root, 'models', name);
  const checkpoint = openCheckpoint(path);
  const tokenizer = loadTokenizer(path);
  const calibration = tokenizer.encode(readFileSync(join(texts, 'calibration.txt'), 'utf8'));
  const samples = calibrationWindows(calibration, { samples: 16, sequenceLength: 128 });
  const named = resized(presetNamed(preset), { groupSize: 32, outliers: 32 });
  const recipe = weightFormat ? { ...named, weight: { ...named.weight, format: weightFormat } } : named;
  const out = join(scratch, `${name}-${preset}-${weightFormat}`);
  await writeQuantized(checkpoint, { backend, recipe, samples, out, toolVersion: '0.0.0-test' });
  return out;
}

async function perplexity(
  path: string,
  how: { simulate: boolean; head: HeadFormat },
): Promise<PerplexityResult> {
  using model = loadModel(path, { backend, ...how, maxTokens: 512, maxOutputs: 512 });
  using scorer = new Scorer({ model, backend, window: 512 });
  const tokenIds = loadTokenizer(path).encode(readFileSync(join(texts, 'test.txt'), 'utf8'));
  return await measurePerplexity({ scorer, tokenIds: tokenIds.slice(0, 512 * 24), window: 512 });
}

async function expectSimulated(name: string, preset: string, heads: readonly HeadFormat[]): Promise<void> {
  const path = await write(name, preset);
  for (const head of heads) {
    const expected = await perplexity(path, { simulate: true, head });
    const { windowMeans } = await perplexity(path, { simulate: false, head });
    const differences = windowMeans.map((mean, i) => mean - expected.windowMeans[i]!);
    const mean = differences.reduce((sum, difference) => sum + difference) / differences.length;
    // Last bits decide how activations near the middle of two codes are rounded, and with four bits one such code
    // changes a token's probability by percents: two roundings of the same model differ by this much on 24 windows.
    const chance = 2 * standardError(differences);
    expect(chance).toBeLessThan(0.005);
    expect(Math.abs(mean)).toBeLessThan(0.001 + chance);
  }
}

test.each([
  ['tiny-classics', 'atom', ['int8', 'bf16']],
  ['tiny-classics', 'w4a8kv4', ['int8']],
  ['tiny-classics', 'w8a8', ['int8']],
  ['tiny-classics', 'w4a16', ['bf16']],
  ['tiny-classics-outliers', 'atom', ['int8']],
] as const)('%s, %s: kernels give the perplexity of the simulation', expectSimulated);

nightlyTest.each([
  ['tiny-classics', 'w4a8kv4', ['bf16']],
  ['tiny-classics', 'w8a8', ['bf16']],
  ['tiny-classics', 'w4a16', ['int8']],
  ['tiny-classics', 'smoothquant', ['int8', 'bf16']],
  ['tiny-classics-outliers', 'atom', ['bf16']],
] as const)('%s, %s: kernels give the perplexity of the simulation', expectSimulated);

test.each([
  ['int4', { kind: 'weightOnly', bits: 4, groupSize: 32 }],
  ['int3', { kind: 'weightOnly', bits: 4, groupSize: 32 }],
  ['int8', { kind: 'weightOnly', bits: 8, groupSize: 32 }],
  ['fp4', { kind: 'bf16' }],
] as const)(
  '%s weights beside inputs in 16 bits are computed as they are simulated',
  async (format, expected) => {
    const path = await write('tiny-classics', 'rtn-w4a16', format);
    const text = readFileSync(join(texts, 'test.txt'), 'utf8');
    const tokens = loadTokenizer(path).encode(text).slice(0, 512);
    const [kernels, simulation] = [false, true].map((simulate) => {
      using model = loadModel(path, { backend, simulate, head: 'bf16', maxTokens: 512, maxOutputs: 512 });
      using scorer = new Scorer({ model, backend, window: 512 });
      if (!simulate) {
        expect(model.linearFormats[0]).toMatchObject({ weight: expected, activation: { kind: 'bf16' } });
      }
      return scorer.score(tokens);
    });
    const differences = Array.from(kernels!, (score, i) => score - simulation![i]!);
    const mean = differences.reduce((sum, difference) => sum + difference) / differences.length;
    // bf16 keeps eight bits of each input and of the cache.
    expect(Math.abs(mean)).toBeLessThan(0.001 + 2 * standardError(differences));
    expect(standardError(differences)).toBeLessThan(0.001);
  },
);

test('what there are no kernels for is refused with the reason, and can be simulated', async () => {
  const path = await write('tiny-classics', 'atom-paper');
  expect(() => loadModel(path, { backend, maxTokens: 8, maxOutputs: 1 })).toThrowError(/rotary.*--simulate/);
  using model = loadModel(path, { backend, simulate: true, maxTokens: 8, maxOutputs: 1 });
  expect(model.config.numLayers).toBe(6);
});
