// Attention that ends in the groups of integers which the output projection reads: made by the task that has the heads, or
// once all heads of a row are there. An order that changes nothing takes the second way; both leave the same storage.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ActivationFormat, KvFormat } from '../../src/backend/formats.ts';
import type { Tensor } from '../../src/backend/tensor.ts';
import { BatchBuffer, type SequenceChunk } from '../../src/model/batch-buffer.ts';
import { cpuBackends, gaussians, hostileRows, tensorOf } from './backends.ts';

type Integers = Extract<ActivationFormat, { kind: 'int' }>;

interface Case {
  readonly cache: KvFormat;
  readonly numKvHeads: number;
  readonly group: number;
  readonly headDim: number;
  /** Tokens of each sequence, and how many of them come last, in a step of their own. */
  readonly lengths: readonly number[];
  readonly last: number;
  readonly format: Integers;
}

const blockSize = 16;

/** Groups of whole tasks and of others, contexts that are split and that are not. */
const cases: fc.Arbitrary<Case> = fc
  .record({
    bits: fc.constantFrom(4 as const, 8 as const, 16 as const),
    numKvHeads: fc.integer({ min: 1, max: 3 }),
    group: fc.integer({ min: 1, max: 4 }),
    headDim: fc.constantFrom(16, 24, 64),
    lengths: fc.array(fc.oneof(fc.integer({ min: 1, max: 60 }), fc.constant(1100)), {
      minLength: 1,
      maxLength: 3,
    }),
    last: fc.integer({ min: 1, max: 12 }),
    format: fc.record({
      bits: fc.constantFrom(3 as const, 4 as const, 8 as const),
      outlierChannels: fc.constantFrom(0, 0, 0, 8),
      range: fc.constantFrom('symmetric' as const, 'signed' as const),
      clip: fc.constantFrom(1, 0.9),
      hadamard: fc.boolean(),
    }),
    preferred: fc.shuffledSubarray([16, 24, 32, 64, 96, 128]),
  })
  .map(({ bits, preferred, format, ...rest }) => {
    const normal = rest.numKvHeads * rest.group * rest.headDim - format.outlierChannels;
    const groupSize = preferred.find((size) => normal % size === 0) ?? 0;
    const hadamard = format.hadamard && Number.isInteger(Math.log2(groupSize));
    return {
      ...rest,
      cache: { keyBits: bits, valueBits: bits },
      format: { kind: 'int', ...format, groupSize, hadamard },
    };
  });

/** Rows of hostile values of all kinds, in turn. */
function hostileValues(rows: number, width: number): Float32Array {
  const kinds = hostileRows(width);
  const values = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) values.set(kinds[row % kinds.length]!, row * width);
  return values;
}

describe.each(cpuBackends)('attention into groups on $isa', ({ backend }) => {
  /** The storages after the last step's attention, without an order and with one that changes nothing. */
  function both({ cache, numKvHeads, group, headDim, lengths, last, format }: Case, hostile = false) {
    const numHeads = numKvHeads * group;
    const geometry = { numHeads, numKvHeads, headDim };
    const channels = numHeads * headDim;
    const width = (numHeads + 2 * numKvHeads) * headDim;
    const blocksOf = (length: number) => Math.ceil(length / blockSize);
    const numBlocks = lengths.reduce((sum, length) => sum + blocksOf(length), 0);
    using kv = backend.createKvCache({ formats: [cache], numKvHeads, headDim, blockSize, numBlocks });
    const total = lengths.reduce((sum, length) => sum + length, 0);
    using cos = tensorOf('f32', [2000, headDim / 2], new Float32Array(1000 * headDim).fill(0.6));
    using sin = tensorOf('f32', [2000, headDim / 2], new Float32Array(1000 * headDim).fill(0.8));
    using buffer = new BatchBuffer(backend, {
      maxTokens: total,
      maxSequences: lengths.length,
      maxBlocksPerSequence: blocksOf(Math.max(...lengths)),
    });
    let block = 0;
    const tables = lengths.map((length) => Array.from({ length: blocksOf(length) }, () => block++));
    const chunksOf = (starts: readonly number[], ends: readonly number[]) =>
      tables.flatMap((blocks, i): SequenceChunk[] => {
        const [start, length] = [starts[i]!, ends[i]! - starts[i]!];
        return length > 0 ? [{ tokenIds: new Int32Array(length), start, blocks }] : [];
      });
    const append = (chunks: readonly SequenceChunk[], valuesOf: (rows: number) => Float32Array) => {
      const batch = buffer.fill(chunks);
      const qkv = tensorOf('f32', [batch.numTokens, width], valuesOf(batch.numTokens));
      backend.ropeAppendKv({ qkv, geometry, cos, sin, batch, cache: kv, layer: 0 });
      return { qkv, batch };
    };
    const before = lengths.map((length) => Math.max(0, length - last));
    const earlier = chunksOf(
      lengths.map(() => 0),
      before,
    );
    if (earlier.length > 0) append(earlier, (rows) => gaussians(rows * width, 5)).qkv[Symbol.dispose]();
    const { batch, ...own } = append(chunksOf(before, lengths), (rows) =>
      hostile ? hostileValues(rows, width) : gaussians(rows * width, 6),
    );
    using qkv = own.qkv;
    using order = tensorOf(
      'i32',
      [channels],
      Int32Array.from({ length: channels }, (_, i) => i),
    );
    const storageOf = (reorder?: Tensor) => {
      const shape = { format, channels, maxTokens: batch.numTokens };
      using storage = backend.allocate('u8', [backend.activationBytes(shape)]);
      storage.bytes().fill(0x5a);
      const out = backend.activation({ ...shape, storage, ...(reorder && { reorder }) });
      backend.attention({ qkv, geometry, scale: 0.2, batch, cache: kv, layer: 0, out });
      return storage.bytes().slice();
    };
    return [storageOf(), storageOf(order)] as const;
  }

  test('leaves what quantizing whole rows leaves', () => {
    fc.assert(
      fc.property(cases, fc.boolean(), (one, hostile) => {
        const [alone, whole] = both(one, hostile);
        expect(Buffer.compare(alone, whole)).toBe(0);
      }),
      { numRuns: 40 },
    );
  });
});
