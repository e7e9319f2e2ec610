// The decoder against facts made with PyTorch (golden/README.md).

import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CpuBackend } from '../../src/backend/cpu/cpu-backend.ts';
import { nativeAddon } from '../../src/backend/cpu/native.ts';
import { openSafetensors, readTensor } from '../../src/checkpoint/safetensors-reader.ts';
import { measurePerplexity } from '../../src/evaluate/perplexity.ts';
import { BatchBuffer } from '../../src/model/batch-buffer.ts';
import { loadModel } from '../../src/model/load-model.ts';
import { Scorer } from '../../src/model/scorer.ts';
import { loadTokenizer } from '../../src/tokenizer/load-tokenizer.ts';

const root = resolve(import.meta.dirname, '../..');
const backend = new CpuBackend();
const facts = JSON.parse(readFileSync(join(root, 'golden/golden.json'), 'utf8')) as {
  ladder: Record<string, Record<string, number>>;
  greedy: { prompt: number[]; continuation: number[] };
};
const golden = openSafetensors(join(root, 'golden/tiny-classics.logits.safetensors'));
const goldenValues = (name: string) => readTensor(golden.tensors.get(name)!).buffer;

describe.each(['tiny-classics', 'tiny-classics-outliers'])('%s', (name) => {
  const path = join(root, 'models', name);

  test('gives the logits of PyTorch within 2e-4 in f32', () => {
    const ids = new Int32Array(goldenValues('input_ids')); // (2, 96)
    const expected = new Float32Array(goldenValues('logits')); // (2, 96, 4096)
    using model = loadModel(path, { backend, compute: 'f32', maxTokens: 192, maxOutputs: 192 });
    using cache = model.createKvCache({ blockSize: 32, numBlocks: 6 });
    using buffer = new BatchBuffer(backend, { maxTokens: 192, maxSequences: 2, maxBlocksPerSequence: 3 });
    using outputRows = backend.allocate('i32', [192]);
    outputRows.i32().set(Int32Array.from({ length: 192 }, (_, row) => row));
    const batch = buffer.fill([
      { tokenIds: ids.subarray(0, 96), start: 0, blocks: [0, 1, 2] },
      { tokenIds: ids.subarray(96), start: 0, blocks: [5, 3, 4] },
    ]);
    const logits = model.forward({ batch, cache, outputRows, numOutputs: 192 }).f32();
    const worst = logits.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0);
    expect(worst).toBeLessThan(2e-4);
  });

  test('continues the golden prompt greedily, token by token from the cache, as PyTorch does', () => {
    const { prompt, continuation } = facts.greedy;
    using model = loadModel(path, { backend, compute: 'f32', maxTokens: 64 });
    using cache = model.createKvCache({ blockSize: 16, numBlocks: 8 });
    using buffer = new BatchBuffer(backend, { maxTokens: 64, maxSequences: 1, maxBlocksPerSequence: 8 });
    using outputRows = backend.allocate('i32', [1]);
    const blocks = [7, 0, 6, 1, 5, 2, 4, 3];
    const tokens: number[] = [];
    let chunk = { tokenIds: prompt, start: 0, blocks };
    while (tokens.length < continuation.length) {
      outputRows.i32()[0] = chunk.tokenIds.length - 1;
      const logits = model.forward({ batch: buffer.fill([chunk]), cache, outputRows, numOutputs: 1 }).f32();
      const next = logits.indexOf(logits.reduce((a, b) => Math.max(a, b)));
      chunk = { tokenIds: [next], start: chunk.start + chunk.tokenIds.length, blocks };
      tokens.push(next);
    }
    expect(tokens).toEqual(continuation);
  });

  test.each([
    { compute: 'f32', within: 1e-4 },
    { compute: 'bf16', within: 3e-3 },
  ] as const)('has the perplexity of PyTorch in $compute', async ({ compute, within }) => {
    const expected = facts.ladder[name]!.FP32!;
    using model = loadModel(path, { backend, compute, maxTokens: 512, maxOutputs: 512 });
    using scorer = new Scorer({ model, backend, window: 512 });
    const text = readFileSync(join(root, 'models/tiny-classics/test.txt'), 'utf8');
    const tokenIds = loadTokenizer(path, { vocabSize: model.config.vocabSize }).encode(text);
    expect(tokenIds.length).toBe(44_352);
    const { perplexity, tokens } = await measurePerplexity({ scorer, tokenIds, window: 512 });
    expect(tokens).toBe(43_946);
    expect(Math.abs(perplexity / expected - 1)).toBeLessThan(within);
  });
});

test('a model that is disposed leaves no native memory behind', () => {
  const before = nativeAddon().liveBlocks();
  const model = loadModel(join(root, 'models/tiny-classics'), { backend, compute: 'f32', maxTokens: 8 });
  const cache = model.createKvCache({ blockSize: 16, numBlocks: 2 });
  expect(nativeAddon().liveBlocks()).toBeGreaterThan(before);
  cache[Symbol.dispose]();
  model[Symbol.dispose]();
  // Descriptions of activations and cache layers (a cache line each) go when they are collected.
  const descriptions = 6 * 4 + 1 + 6;
  expect(nativeAddon().liveBlocks() - before).toBeLessThanOrEqual(descriptions);
});
