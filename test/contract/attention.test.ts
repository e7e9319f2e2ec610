import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Activation, Batch } from '../../src/backend/backend.ts';
import type { KvFormat } from '../../src/backend/formats.ts';
import { ReferenceKvLayer } from '../../src/backend/reference/operators.ts';
import { BatchBuffer, type SequenceChunk } from '../../src/model/batch-buffer.ts';
import { cpuBackends, gaussians, tensorOf } from './backends.ts';

const blockSize = 16;
const positions = 2600;

describe.each(cpuBackends)('attention on $isa', ({ backend }) => {
  interface Setting {
    readonly format: KvFormat;
    readonly numHeads: number;
    readonly numKvHeads: number;
    readonly headDim: number;
    readonly window?: number;
    readonly norms?: boolean;
  }

  /** A cache and the buffers to push chunks of sequences through it; each call returns the rows of the outputs. */
  function harness({ format, numHeads, numKvHeads, headDim, window, norms }: Setting) {
    const geometry = { numHeads, numKvHeads, headDim };
    const width = (numHeads + 2 * numKvHeads) * headDim;
    const cache = backend.createKvCache({
      formats: [format, format],
      numKvHeads,
      headDim,
      blockSize,
      numBlocks: 176,
    });
    const reference = new ReferenceKvLayer({ format, blockSize });
    const angles = Float32Array.from({ length: (positions * headDim) / 2 }, (_, i) => {
      const [position, pair] = [Math.floor(i / (headDim / 2)), i % (headDim / 2)];
      return position / 10 ** ((4 * pair) / headDim);
    });
    const cos = tensorOf('f32', [positions, headDim / 2], angles.map(Math.cos));
    const sin = tensorOf('f32', [positions, headDim / 2], angles.map(Math.sin));
    const norm = norms
      ? {
          qNorm: tensorOf('f32', [headDim], gaussians(headDim, 1)),
          kNorm: tensorOf('f32', [headDim], gaussians(headDim, 2)),
        }
      : {};
    const buffer = new BatchBuffer(backend, {
      maxTokens: positions,
      maxSequences: 8,
      maxBlocksPerSequence: Math.ceil(positions / blockSize),
    });
    const channels = numHeads * headDim;
    const activation = (): Activation => {
      const storage = backend.allocate('u8', [positions * channels * 4]);
      return backend.activation({ format: { kind: 'f32' }, channels, maxTokens: positions, storage });
    };
    const out = activation();
    const expected = activation();

    return (chunks: readonly SequenceChunk[], values: Float32Array, { check = true } = {}) => {
      const batch: Batch = buffer.fill(chunks);
      using qkv = tensorOf('f32', [batch.numTokens, width], values);
      using copy = tensorOf('f32', [batch.numTokens, width], values);
      const shared = { geometry, batch, epsilon: 1e-5, cos, sin, ...norm };
      const attend = { geometry, batch, scale: 1 / Math.sqrt(headDim), ...(window && { window }) };
      backend.ropeAppendKv({ ...shared, qkv, cache, layer: 1 });
      backend.attention({ ...attend, qkv, cache, layer: 1, out });
      reference.append({ ...shared, qkv: copy });
      if (check) {
        reference.attend({ ...attend, qkv: copy, out: expected });
        const actual = out.storage.f32().subarray(0, batch.numTokens * channels);
        for (const [i, value] of actual.entries()) {
          const other = expected.storage.f32()[i]!;
          if (Math.abs(value - other) > tolerance(format))
            expect.fail(`element ${i}: expected ${other}, got ${value}`);
        }
      }
      return out.storage.f32().slice(0, batch.numTokens * channels);
    };
  }

  // Outputs are averages of values of about 1. In f32 they differ by a few roundings; where keys and values are
  // rounded, one ulp before rounding may become one step of the format in one value.
  const tolerance = ({ keyBits, valueBits }: KvFormat) =>
    ({ 32: 2e-5, 16: 1e-2, 8: 3e-2, 4: 0.4, 3: 0.8, 2: 1.6 })[Math.min(keyBits, valueBits) as 32];

  const formats: KvFormat[] = [
    { keyBits: 32, valueBits: 32 },
    { keyBits: 16, valueBits: 16 },
    { keyBits: 8, valueBits: 8 },
    { keyBits: 4, valueBits: 4 },
    { keyBits: 8, valueBits: 4, clip: 0.95 },
    { keyBits: 4, valueBits: 4, simulated: true, keyBeforeRope: true },
    { keyBits: 4, valueBits: 4, keyHadamard: true },
    { keyBits: 3, valueBits: 2, simulated: true },
  ];

  const chunk = (length: number, start: number, blocks: readonly number[]): SequenceChunk => ({
    tokenIds: new Int32Array(length),
    start,
    blocks,
  });

  test.each(formats)(
    'chunks and decodes of several sequences agree with plain arithmetic: K$keyBits V$valueBits',
    (format) => {
      const width = (4 + 4) * 24;
      const step = harness({ format, numHeads: 4, numKvHeads: 2, headDim: 24 });
      step([chunk(21, 0, [3, 9]), chunk(1, 0, [5]), chunk(40, 0, [1, 0, 7])], gaussians(62 * width, 4));
      step([chunk(1, 21, [3, 9]), chunk(5, 1, [5]), chunk(1, 40, [1, 0, 7])], gaussians(7 * width, 5));
    },
  );

  test('any geometry, window and order of blocks agrees with plain arithmetic', () => {
    const settings = fc.record({
      numKvHeads: fc.constantFrom(1, 2),
      group: fc.constantFrom(1, 2, 4, 7),
      headDim: fc.constantFrom(8, 16, 40, 64, 80, 128),
      window: fc.constantFrom(undefined, 1, 7, 16, 33),
      norms: fc.boolean(),
      lengths: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 3 }),
      seed: fc.integer({ min: 1, max: 1e6 }),
    });
    fc.assert(
      fc.property(settings, ({ group, lengths, seed, window, ...rest }) => {
        const numHeads = group * rest.numKvHeads;
        const step = harness({
          ...rest,
          numHeads,
          format: { keyBits: 32, valueBits: 32 },
          ...(window && { window }),
        });
        const width = (numHeads + 2 * rest.numKvHeads) * rest.headDim;
        const blocks = (i: number) => [0, 1, 2].map((b) => ((i * 3 + b) * 7) % 31);
        const total = lengths.reduce((a, b) => a + b);
        step(
          lengths.map((length, i) => chunk(length, 0, blocks(i))),
          gaussians(total * width, seed),
        );
        step(
          lengths.map((length, i) => chunk(2, length, blocks(i))),
          gaussians(2 * lengths.length * width, seed + 1),
        );
      }),
      { numRuns: 25 },
    );
  });

  test.each(formats.slice(0, 4))(
    'a row has the same bits alone, in a batch, and in a chunk: K$keyBits',
    (format) => {
      const setting = { format, numHeads: 4, numKvHeads: 2, headDim: 32 };
      const width = 8 * 32;
      const channels = 4 * 32;
      const values = gaussians(37 * width, 6);
      const together = harness(setting)([chunk(37, 0, [2, 4, 8])], values);
      const stepwise = harness(setting);
      stepwise([chunk(20, 0, [2, 4, 8])], values.slice(0, 20 * width));
      for (let token = 20; token < 37; token++) {
        const other = gaussians(3 * width, token);
        const mixed = Float32Array.from([...other, ...values.slice(token * width, (token + 1) * width)]);
        const rows = stepwise([chunk(3, 0, [11]), chunk(1, token, [2, 4, 8])], mixed, { check: false });
        expect(rows.slice(3 * channels)).toEqual(together.slice(token * channels, (token + 1) * channels));
      }
    },
  );

  // The partitions of a context are 1,024 keys: decodes and short chunks are split over them, long chunks are not. How many a
  // task takes depends on what else there is to do.
  test.each([
    { format: { keyBits: 32, valueBits: 32 } as const },
    { format: { keyBits: 16, valueBits: 16 } as const },
    { format: { keyBits: 8, valueBits: 4 } as const },
    { format: { keyBits: 4, valueBits: 8 } as const, window: 1300 },
  ])('long contexts agree with plain arithmetic, bit for bit however they are split: %o', (options) => {
    const setting = { ...options, numHeads: 6, numKvHeads: 2, headDim: 16 };
    const width = 10 * 16;
    const channels = 6 * 16;
    const length = 2310;
    const blocks = Array.from({ length: 145 }, (_, i) => (i * 37) % 151);
    const elsewhere = Array.from({ length: 20 }, (_, i) => 152 + i);
    const values = gaussians(length * width, 9);
    const slice = (from: number, to: number) => values.slice(from * width, to * width);
    const together = harness(setting)([chunk(length, 0, blocks)], values, { check: false });
    const stepwise = harness(setting);
    stepwise([chunk(2290, 0, blocks)], slice(0, 2290), { check: false });
    const beside = (tokens: number, other: number) => {
      const chunks = [chunk(1, tokens, blocks), chunk(other, 0, elsewhere)];
      const all = Float32Array.from([...slice(tokens, tokens + 1), ...gaussians(other * width, other)]);
      return stepwise(chunks, all).slice(0, channels);
    };
    const rows = [
      stepwise([chunk(1, 2290, blocks)], slice(2290, 2291)),
      stepwise([chunk(3, 2291, blocks)], slice(2291, 2294)),
      stepwise([chunk(14, 2294, blocks)], slice(2294, 2308)),
      beside(2308, 150),
      beside(2309, 320),
    ].flatMap((part) => [...part]);
    expect(Float32Array.from(rows)).toEqual(together.slice(2290 * channels));
  });

  // Of a simulated cache keys and values are the same numbers, in floats.
  test.each([
    { bits: 8, tolerance: 2e-4 },
    { bits: 4, tolerance: 3e-2 },
  ] as const)('a cache of $bits bits gives what a simulated one gives', ({ bits, tolerance }) => {
    const geometry = { numHeads: 4, numKvHeads: 2, headDim: 80 };
    const width = 8 * 80;
    const values = gaussians(150 * width, 10);
    // A channel of outliers, as trained models have.
    for (let at = 0; at < values.length; at += 80) values[at + 7]! *= 8;
    const run = (simulated: boolean) => {
      const step = harness({ ...geometry, format: { keyBits: bits, valueBits: bits, simulated } });
      return step([chunk(150, 0, [...Array(10).keys()])], values, { check: false });
    };
    const simulated = run(true);
    const error = run(false).reduce((sum, value, i) => sum + (value - simulated[i]!) ** 2, 0);
    const power = simulated.reduce((sum, value) => sum + value ** 2, 0);
    expect(Math.sqrt(error / power)).toBeLessThan(tolerance);
  });

  test.each([
    { what: 'key', part: 2, bits: 4 },
    { what: 'value', part: 3, bits: 4 },
    { what: 'key', part: 2, bits: 8 },
    { what: 'value', part: 3, bits: 8 },
  ] as const)('a $what of $bits bits that is not a number harms only rows that see it', ({ part, bits }) => {
    const setting = {
      format: { keyBits: bits, valueBits: bits },
      numHeads: 2,
      numKvHeads: 1,
      headDim: 16,
    };
    const width = 4 * 16;
    const values = gaussians(150 * width, 8);
    values[12 * width + part * 16] = Number.NaN; // of token 12
    const rows = harness(setting)([chunk(150, 0, [...Array(10).keys()])], values, { check: false });
    for (let token = 0; token < 150; token++) {
      expect(rows.slice(token * 32, (token + 1) * 32).every(Number.isFinite), `token ${token}`).toBe(
        token < 12,
      );
    }
  });

  test('a copied block holds the same tokens', () => {
    const cache = backend.createKvCache({
      formats: [{ keyBits: 4, valueBits: 8 }],
      numKvHeads: 2,
      headDim: 16,
      blockSize,
      numBlocks: 3,
    });
    expect(cache.numBlocks).toBe(3);
    backend.copyBlock(cache, 0, 2);
    cache[Symbol.dispose]();
    expect(() => backend.copyBlock(cache, 0, 2)).toThrowError(
      expect.objectContaining({ code: 'use-after-free' }),
    );
  });

  test('a block outside the cache is refused before anything is written', () => {
    const step = harness({ format: { keyBits: 32, valueBits: 32 }, numHeads: 1, numKvHeads: 1, headDim: 16 });
    expect(() => step([chunk(1, 0, [176])], new Float32Array(48))).toThrowError(/block 176 of 176/);
  });
});
