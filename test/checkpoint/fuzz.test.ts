// Whatever stands in a file from outside: a valid result or one AtomError, never another exception, never a hang.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { expectedTensors } from '../../src/checkpoint/expected-tensors.ts';
import { parseGenerationConfig } from '../../src/checkpoint/generation-config.ts';
import { parseModelConfig } from '../../src/checkpoint/model-config.ts';
import { parseQuantization } from '../../src/checkpoint/quantization.ts';
import { quantizedTensors } from '../../src/checkpoint/quantized-tensors.ts';
import { parseHeader, type SafetensorsHeader } from '../../src/checkpoint/safetensors-header.ts';
import { openSafetensors } from '../../src/checkpoint/safetensors-reader.ts';
import { openTensors } from '../../src/checkpoint/tensor-store.ts';
import { AtomError, type ErrorCode } from '../../src/errors.ts';
import { folder, safetensors } from './files.ts';
import * as configs from './hugging-face-configs.ts';
import { overridden, smallLlama } from './quantization-examples.ts';

const odd = fc.oneof(
  fc.jsonValue(),
  fc.constantFrom<unknown>(
    -1,
    0,
    0.5,
    2 ** 31,
    2 ** 53,
    1e308,
    '',
    [],
    {},
    null,
    true,
    '__proto__',
    'toString',
  ),
  fc.integer(),
  fc.bigInt({ min: 0n, max: 2n ** 64n }).map(Number),
);

/** The value with some entries, at any depth, replaced, removed or added. */
function mutated(original: unknown): fc.Arbitrary<unknown> {
  const paths = [...pathsOf(original)];
  const mutation = fc.record({
    path: fc.constantFrom(...paths),
    action: fc.constantFrom('replace', 'remove', 'add'),
    key: fc.oneof(fc.string(), fc.constantFrom('__proto__', 'constructor', 'length', '0')),
    value: odd,
  });
  return fc.array(mutation, { minLength: 1, maxLength: 4 }).map((mutations) => {
    const root = { root: structuredClone(original) };
    // A value is copied: the same [] drawn twice could be put into itself, and stay there in the runs that follow.
    for (const { path, action, key, value } of mutations)
      mutate(root, ['root', ...path], { action, key, value: structuredClone(value) });
    return root.root;
  });
}

function* pathsOf(value: unknown, path: string[] = []): Generator<string[]> {
  yield path;
  if (typeof value !== 'object' || value === null) return;
  for (const [key, inner] of Object.entries(value)) yield* pathsOf(inner, [...path, key]);
}

function mutate(
  root: object,
  path: string[],
  { action, key, value }: { action: string; key: string; value: unknown },
): void {
  let parent = root as Record<string, unknown>;
  for (const step of path.slice(0, -1)) {
    const next = parent[step];
    if (typeof next !== 'object' || next === null) return; // an earlier mutation took it away
    parent = next as Record<string, unknown>;
  }
  const last = path.at(-1)!;
  const target = parent[last];
  if (action === 'replace') define(parent, last, value);
  else if (action === 'remove') delete parent[last];
  else if (Array.isArray(target)) target.push(value);
  else if (typeof target === 'object' && target !== null) define(target, key, value);
}

/** As JSON.parse does, which makes even __proto__ a field of its own. */
function define(target: object, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, enumerable: true, writable: true, configurable: true });
}

function attempt<T>(action: () => T, ...codes: ErrorCode[]): T | undefined {
  try {
    return action();
  } catch (error) {
    expect(error).toBeInstanceOf(AtomError);
    expect(codes).toContain((error as AtomError).code);
    expect((error as AtomError).message.length).toBeLessThan(2000);
    return undefined;
  }
}

const header = {
  __metadata__: { format: 'pt' },
  'model.embed_tokens.weight': { dtype: 'F32', shape: [2, 3], data_offsets: [0, 24] },
  'model.norm.weight': { dtype: 'BF16', shape: [4], data_offsets: [24, 32] },
  scale: { dtype: 'F8_E4M3', shape: [], data_offsets: [32, 33] },
};

/** The parsed header's tensors tile the file. */
function expectSound(parse: () => SafetensorsHeader, fileBytes: number): void {
  const header = attempt(parse, 'bad-safetensors');
  if (header === undefined) return;
  const tensors = [...header.tensors.values()];
  let covered = tensors[0]?.begin ?? fileBytes;
  for (const { begin, end } of tensors) {
    expect(begin).toBe(covered);
    expect(end).toBeGreaterThanOrEqual(begin);
    covered = end;
  }
  expect(covered).toBe(fileBytes);
}

function expectSoundFile(path: string, bytes: Uint8Array): void {
  writeFileSync(path, bytes);
  expectSound(() => openSafetensors(path), bytes.byteLength);
}

test('a header with mutated entries', () => {
  const property = fc.property(mutated(header), fc.integer({ min: 30, max: 36 }), (mutant, dataBytes) => {
    const json = Buffer.from(JSON.stringify(mutant) ?? '');
    const fileBytes = 8 + json.byteLength + dataBytes;
    expectSound(() => parseHeader(json, { file: 'x.safetensors', fileBytes }), fileBytes);
  });
  fc.assert(property, { numRuns: 2000 });
});

test('a file with mutated bytes', () => {
  const path = join(folder(), 'x.safetensors');
  const whole = safetensors(header, 33);
  const edit = fc.record({
    at: fc.nat(whole.byteLength),
    remove: fc.nat(12),
    insert: fc.oneof(
      fc.uint8Array({ maxLength: 12 }),
      fc.constantFrom(...['"', '{', '}', '\\', '9'].map((c) => Buffer.from(c))),
    ),
  });
  const property = fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
    let bytes = Buffer.from(whole);
    for (const { at, remove, insert } of edits) {
      bytes = Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(at + remove)]);
    }
    expectSoundFile(path, bytes);
  });
  fc.assert(property, { numRuns: 600 });
});

test('any bytes at all', () => {
  const path = join(folder(), 'x.safetensors');
  const property = fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    expectSoundFile(path, bytes);
  });
  fc.assert(property, { numRuns: 200 });
});

test('an index with mutated entries', () => {
  const dir = folder({ 'a.safetensors': safetensors(header, 33) });
  const names = Object.keys(header).filter((name) => name !== '__metadata__');
  const index = {
    metadata: {},
    weight_map: Object.fromEntries(names.map((name) => [name, 'a.safetensors'])),
  };
  const property = fc.property(mutated(index), (mutant) => {
    writeFileSync(join(dir, 'model.safetensors.index.json'), JSON.stringify(mutant) ?? '');
    attempt(() => openTensors(dir), 'bad-safetensors');
  });
  fc.assert(property, { numRuns: 300 });
});

test.each(Object.entries(configs))('the config of %s with mutated fields', (_, raw) => {
  const property = fc.property(mutated(raw), (mutant) => {
    if (typeof mutant !== 'object' || mutant === null || Array.isArray(mutant)) return;
    const config = attempt(
      () => parseModelConfig(mutant as Record<string, unknown>, 'config.json'),
      'bad-config',
      'unsupported-model',
    );
    if (config === undefined) return;
    expect(config.numHeads % config.numKvHeads).toBe(0);
    expect(config.slidingWindow.length).toBe(config.numLayers);
    for (const { shape } of expectedTensors(config)) {
      for (const extent of shape) expect(Number.isSafeInteger(extent) && extent > 0).toBe(true);
      break;
    }
  });
  fc.assert(property, { numRuns: 300 });
});

test('a generation config with mutated fields', () => {
  const raw = {
    bos_token_id: 1,
    eos_token_id: [2, 3],
    do_sample: true,
    temperature: 0.6,
    top_k: 20,
    top_p: 0.9,
  };
  const property = fc.property(mutated(raw), (mutant) => {
    if (typeof mutant !== 'object' || mutant === null || Array.isArray(mutant)) return;
    attempt(
      () => parseGenerationConfig(mutant as Record<string, unknown>, 'generation_config.json'),
      'bad-config',
    );
  });
  fc.assert(property, { numRuns: 500 });
});

test('a quantization config with mutated fields', () => {
  const config = parseModelConfig(smallLlama, 'config.json');
  const raw = overridden({
    'model.layers.1.mlp': { weight: { format: 'int8' } },
    lm_head: { outlier: { channels: 0 } },
  });
  const property = fc.property(mutated(raw), (mutant) => {
    const quantization = attempt(
      () => parseModelConfig({ ...smallLlama, quantization_config: mutant }, 'config.json').quantization,
      'bad-config',
    );
    if (quantization === undefined) return;
    const parsed = attempt(
      () => parseQuantization(quantization, { file: 'config.json', config }),
      'bad-quantization-config',
      'unsupported-model',
    );
    if (parsed === undefined) return;
    for (const { shape } of quantizedTensors(config, parsed)) {
      for (const extent of shape) expect(Number.isInteger(extent) && extent > 0).toBe(true);
    }
  });
  fc.assert(property, { numRuns: 1000 });
});
