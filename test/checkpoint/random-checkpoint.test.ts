import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/open-checkpoint.ts';
import { randomShapes, writeRandomCheckpoint } from '../../src/checkpoint/random-checkpoint.ts';
import { folder } from './files.ts';

const config = randomShapes.tiny;
const weights = (options: object = {}) => {
  const dir = folder();
  writeRandomCheckpoint(dir, { config, ...options });
  return readFileSync(join(dir, 'model.safetensors'));
};

/** BF16 bytes to numbers. */
function values(bytes: Uint8Array<ArrayBuffer>): Float32Array {
  return new Float32Array(Uint32Array.from(new Uint16Array(bytes.buffer), (bits) => bits << 16).buffer);
}

test('opens as the model it says it is, in one file or in shards', () => {
  for (const maxShardBytes of [5e9, 3e6]) {
    const dir = folder();
    const { files } = writeRandomCheckpoint(dir, { config, maxShardBytes });
    expect(files.length).toBe(maxShardBytes === 5e9 ? 1 : 4);
    expect(openCheckpoint(dir).config).toMatchObject({
      architecture: 'llama',
      numLayers: 6,
      hiddenSize: 256,
    });
  }
});

test('is the same for the same seed and another for another', () => {
  expect(weights().equals(weights({ seed: 0 }))).toBe(true);
  expect(weights({ seed: 1 }).equals(weights({ seed: 2 }))).toBe(false);
});

test('has matrices of variance about 1 / in, and norms of one', () => {
  const dir = folder();
  const store = writeRandomCheckpoint(dir, { config });
  for (const [name, inFeatures] of [
    ['model.layers.3.self_attn.q_proj.weight', 256],
    ['model.layers.3.mlp.down_proj.weight', 768],
  ] as const) {
    const drawn = values(store.read(name));
    const mean = drawn.reduce((sum, x) => sum + x, 0) / drawn.length;
    const variance = drawn.reduce((sum, x) => sum + x * x, 0) / drawn.length;
    expect(Math.abs(mean)).toBeLessThan(5 / Math.sqrt(inFeatures * drawn.length)); // five standard errors
    expect(variance * inFeatures).toBeGreaterThan(0.5);
    expect(variance * inFeatures).toBeLessThan(2);
  }
  expect(new Set(values(store.read('model.norm.weight')))).toEqual(new Set([1]));
});

test('gives rows and layers different weights', () => {
  const store = writeRandomCheckpoint(folder(), { config });
  const [first, second] = [0, 1].map((layer) => store.read(`model.layers.${layer}.mlp.up_proj.weight`));
  expect(Buffer.from(first!).equals(second!)).toBe(false);
  const rows = Array.from({ length: 768 }, (_, row) =>
    Buffer.from(first!.subarray(row * 512, (row + 1) * 512)).toString('hex'),
  );
  expect(new Set(rows).size).toBe(768);
});

test('takes a tokenizer along with its special tokens', () => {
  const dir = folder();
  const models = resolve(import.meta.dirname, '../../models');
  writeRandomCheckpoint(dir, { config, tokenizerFrom: join(models, 'tiny-classics') });
  expect(openCheckpoint(dir).config).toMatchObject({ bosTokenId: 0, eosTokenIds: [1] });
  expect(readFileSync(join(dir, 'tokenizer.json'))).toEqual(
    readFileSync(join(models, 'tiny-classics/tokenizer.json')),
  );
});
