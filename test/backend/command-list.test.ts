// Operators that are called together do what they do one by one.
import { resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { CpuBackend } from '../../src/backend/cpu/cpu-backend.ts';
import { BatchBuffer } from '../../src/model/batch-buffer.ts';
import { loadModel } from '../../src/model/load-model.ts';
import { gaussians } from '../contract/backends.ts';

const backend = new CpuBackend();
afterAll(() => backend[Symbol.dispose]());

const cols = 48;

/** Adds up how often it was called. */
function counter() {
  const format = { kind: 'f32' } as const;
  const storage = backend.allocate('u8', [backend.activationBytes({ format, channels: 1, maxTokens: 1 })]);
  const input = backend.activation({ format, channels: 1, maxTokens: 1, storage });
  input.storage.f32().fill(1);
  const one = backend.allocate('f32', [1, 1]);
  one.f32().fill(1);
  const weight = backend.loadLinear([{ kind: 'dense', weight: one, compute: 'f32' }]);
  const out = backend.allocate('f32', [1, 1]);
  return {
    count: () => backend.linear({ input, weight, out, tokens: 1, accumulate: true }),
    get counted() {
      return out.f32()[0];
    },
    [Symbol.dispose]() {
      for (const resource of [storage, weight, one, out]) resource[Symbol.dispose]();
    },
  };
}

test('one reads what the one before has written, as without, and those of no step take part', () => {
  using weight = backend.allocate('f32', [cols]);
  weight.f32().fill(1);
  using x = backend.allocate('f32', [3, cols]);
  const format = { kind: 'f32' } as const;
  using storage = backend.allocate('u8', [backend.activationBytes({ format, channels: cols, maxTokens: 3 })]);
  const out = backend.activation({ format, channels: cols, maxTokens: 3, storage });
  using twice = backend.allocate('f32', [3, cols]);
  const quantizer = {
    format: 'int4',
    groupSize: 16,
    range: 'symmetric',
    clip: 1,
    outlierChannels: 0,
  } as const;
  const rounded = { ...quantizer, outlierFormat: 'int8', outlierClip: 1 } as const;
  const body = () => {
    backend.rmsNorm({ x, weight, epsilon: 1e-5, out, tokens: 3 });
    backend.fakeQuant({ x: out.storage, out: twice, rows: 3, quantizer: rounded });
    backend.rmsNorm({ x: twice, weight, epsilon: 1e-5, out, tokens: 3 });
  };
  x.f32().set(gaussians(3 * cols, 1));
  body();
  const expected = out.storage.f32().slice();
  out.storage.f32().fill(0);
  backend.together(body);
  expect(out.storage.f32()).toEqual(expected);
});

test('more than the list holds run all the same, and one inside another is part of it', () => {
  using ran = counter();
  backend.together(() => {
    for (let i = 0; i < 5000; i++) ran.count();
    backend.together(ran.count);
  });
  expect(ran.counted).toBe(5001);
});

test('where one is refused none runs, and those called later do', () => {
  using ran = counter();
  using wrong = backend.allocate('f32', [1]);
  const refused = () =>
    backend.together(() => {
      ran.count();
      backend.siluMul({ gateUp: wrong, out: undefined as never, tokens: 1 });
    });
  expect(refused).toThrow();
  expect(ran.counted).toBe(0);
  ran.count();
  expect(ran.counted).toBe(1);
});

test('steps of several batches, the later of them longer, leave the logits of one after the other', () => {
  const path = resolve(import.meta.dirname, '../../models/tiny-classics');
  using model = loadModel(path, { backend, compute: 'bf16', maxTokens: 64 });
  using cache = model.createKvCache({ blockSize: 16, numBlocks: 4 });
  const limits = { maxTokens: 64, maxSequences: 1, maxBlocksPerSequence: 4 };
  const lengths = [5, 40, 1];
  const buffers = lengths.map(() => new BatchBuffer(backend, limits));
  using outputRows = backend.allocate('i32', [1]);
  const steps = (run: (body: () => void) => void) => {
    let start = 0;
    const batches = lengths.map((length, i) => {
      const tokenIds = Int32Array.from({ length }, (_, t) => 20 + ((start + t) % 50));
      const chunk = { tokenIds, start, blocks: [2, 0, 3, 1] };
      start += length;
      return buffers[i]!.fill([chunk]);
    });
    run(() => {
      for (const batch of batches) model.run({ batch, cache });
    });
    return model.logits({ outputRows, numOutputs: 1 }).f32().slice();
  };
  const together = steps((body) => backend.together(body));
  expect(together).toEqual(steps((body) => body()));
  for (const buffer of buffers) buffer[Symbol.dispose]();
});

test('a batch whose memory is freed is refused, also once it has been run', () => {
  const path = resolve(import.meta.dirname, '../../models/tiny-classics');
  using model = loadModel(path, { backend, compute: 'bf16', maxTokens: 8 });
  using cache = model.createKvCache({ blockSize: 16, numBlocks: 1 });
  using buffer = new BatchBuffer(backend, { maxTokens: 8, maxSequences: 1, maxBlocksPerSequence: 1 });
  const positions = backend.allocate('i32', [8]);
  const batch = { ...buffer.fill([{ tokenIds: [20], start: 0, blocks: [0] }]), positions };
  model.run({ batch, cache });
  positions[Symbol.dispose]();
  expect(() => model.run({ batch, cache })).toThrow(expect.objectContaining({ code: 'use-after-free' }));
});
