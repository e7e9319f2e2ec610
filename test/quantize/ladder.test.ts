// Steps of the published ladder against the perplexities that Atom's own code gives (golden/README.md), within 1 %.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { CpuBackend } from '../../src/backend/cpu/cpu-backend.ts';
import { openCheckpoint } from '../../src/checkpoint/open-checkpoint.ts';
import { measurePerplexity } from '../../src/evaluate/perplexity.ts';
import { Model } from '../../src/model/model.ts';
import { Scorer } from '../../src/model/scorer.ts';
import { calibrationWindows } from '../../src/quantize/calibration-text.ts';
import { ladder } from '../../src/quantize/ladder.ts';
import { presetNamed, resized } from '../../src/quantize/presets.ts';
import type { Recipe } from '../../src/quantize/recipe.ts';
import { simulate } from '../../src/quantize/simulate.ts';
import { loadTokenizer } from '../../src/tokenizer/load-tokenizer.ts';
import { nightlyTest } from '../nightly.ts';

const root = resolve(import.meta.dirname, '../..');
const backend = new CpuBackend();
const texts = join(root, 'models/tiny-classics');
const golden = (
  JSON.parse(readFileSync(join(root, 'golden/golden.json'), 'utf8')) as {
    ladder: Record<string, Record<string, number>>;
  }
).ladder;

async function perplexity(
  name: string,
  recipe: Recipe,
  { count = 64, windows = 100 }: { count?: number; windows?: number } = {},
): Promise<number> {
  const path = join(root, 'models', name);
  const checkpoint = openCheckpoint(path);
  const tokenizer = loadTokenizer(path);
  const calibration = tokenizer.encode(readFileSync(join(texts, 'calibration.txt'), 'utf8'));
  const samples = calibrationWindows(calibration, { samples: count, sequenceLength: 256 });
  const source = await simulate(checkpoint, { backend, recipe, samples });
  using model = new Model(source, { backend, maxTokens: 512, maxOutputs: 512 });
  using scorer = new Scorer({ model, backend, window: 512 });
  const tokenIds = tokenizer.encode(readFileSync(join(texts, 'test.txt'), 'utf8')).slice(0, 512 * windows);
  return (await measurePerplexity({ scorer, tokenIds, window: 512 })).perplexity;
}

const small = (name: string) => resized(presetNamed(name), { groupSize: 32, outliers: 32 });
const steps = ladder(small('atom-paper'));

async function expectGolden(name: string, recipe: Recipe, row: string): Promise<void> {
  const expected = golden[name]![row]!;
  expect(Math.abs((await perplexity(name, recipe)) / expected - 1)).toBeLessThan(0.01);
}

test.each([
  ['tiny-classics-outliers', 'RTN W4A4, per token and per output channel', steps[0]!],
  ['tiny-classics-outliers', '+ KV INT4 (atom-paper)', steps.at(-1)!],
] as const)('%s: %s', (name, row, recipe) => expectGolden(name, recipe, row));

nightlyTest.each([
  ['tiny-classics-outliers', '+ clipping', steps[4]!],
  ['tiny-classics', '+ KV INT4 (atom-paper)', steps.at(-1)!],
  ['tiny-classics', 'W8A8 KV8', small('w8a8')],
  ['tiny-classics', 'W3A3', small('atom-w3a3')],
] as const)('%s: %s', (name, row, recipe) => expectGolden(name, recipe, row));

async function expectHalfTheLoss(name: string): Promise<void> {
  const full = golden[name]!.FP32!;
  const published = golden[name]!['+ KV INT4 (atom-paper)']!;
  const ours = await perplexity(name, small('atom'));
  expect(ours - full).toBeLessThan(0.5 * (published - full));
}

const half = 'our recipe loses at most half of what the published one loses on %s';
test.each(['tiny-classics-outliers'])(half, expectHalfTheLoss);
nightlyTest.each(['tiny-classics'])(half, expectHalfTheLoss);

nightlyTest(
  'formats are ordered as their bits let expect',
  async () => {
    const losses: number[] = [];
    for (const name of ['w8a8', 'w4a8kv4', 'atom', 'atom-nvfp4', 'atom-mxfp4', 'atom-w3a3']) {
      losses.push(await perplexity('tiny-classics', small(name), { count: 16, windows: 24 }));
    }
    expect(losses).toEqual([...losses].sort((a, b) => a - b));
  },
  600_000,
);

test('groups that do not divide the channels are refused before anything is computed', async () => {
  const checkpoint = openCheckpoint(join(root, 'models/tiny-classics'));
  const recipe = resized(presetNamed('atom-paper'), { groupSize: 100, outliers: 32 });
  await expect(simulate(checkpoint, { backend, recipe, samples: [new Int32Array(4)] })).rejects.toThrowError(
    /224 normal channels.*groups of 100/,
  );
  expect(() => presetNamed('atom-peper')).toThrowError(/atom-peper.*atom-paper/);
});
