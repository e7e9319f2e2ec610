// `bench attention`: decode attention over paged caches of 16, 8 and 4 bits, against the read bandwidth measured beside
// it. Bytes are those of the keys, values, scales and zero points in sight; caches are larger than the machine's, so
// that they are read from memory, and their blocks lie in no order.
import type { AttentionGeometry, KvCache } from '../backend/backend.ts';
import type { CpuBackend } from '../backend/cpu/cpu-backend.ts';
import { BatchBuffer } from '../model/batch-buffer.ts';
import { type CeilingContender, ceilingContender } from './peaks.ts';
import { type ClockName, type Contender, median, timeInTurn } from './timing.ts';

export interface AttentionShape {
  readonly context: number;
  /** Sequences, each with one new token. */
  readonly batch: number;
  readonly numHeads: number;
  readonly numKvHeads: number;
}

export interface AttentionRow extends AttentionShape {
  readonly bits: 16 | 8 | 4;
  readonly milliseconds: number;
  readonly gigabytesPerSecond: number;
  readonly shareOfBandwidth: number;
  /** Times faster than over 16 bits, in the same turns. */
  readonly speedup: number;
}

export interface AttentionReport {
  readonly isa: string;
  readonly threads: number;
  /** GB/s of plain reading, median over the run. */
  readonly read: number;
  readonly rows: readonly AttentionRow[];
}

const headDim = 128;
const blockSize = 32;
/** Layers of a cache are read in turn until this much lies between two readings of one. */
const coldBytes = 256 * 2 ** 20;

const headCounts = [
  { numHeads: 32, numKvHeads: 32 },
  { numHeads: 32, numKvHeads: 8 },
];
const loads = [
  { batch: 1, contexts: [512, 1024, 2048, 4096, 8192, 16384] },
  { batch: 4, contexts: [512, 4096] },
  { batch: 16, contexts: [512, 1024] },
];

export const attentionShapes: readonly AttentionShape[] = headCounts.flatMap((heads) =>
  loads.flatMap(({ batch, contexts }) => contexts.map((context) => ({ ...heads, batch, context }))),
);

export function benchAttention(
  backend: CpuBackend,
  {
    shapes = attentionShapes,
    threads,
    clock = 'wall',
    onRow,
  }: {
    shapes?: readonly AttentionShape[];
    threads: number;
    clock?: ClockName;
    onRow?: (row: AttentionRow) => void;
  },
): AttentionReport {
  using read = ceilingContender(backend, 'read');
  const rates: number[] = [];
  const rows = shapes.flatMap((shape) => {
    const measured = measureShape(backend, { shape, read, clock });
    rates.push(measured.readRate);
    for (const row of measured.rows) onRow?.(row);
    return measured.rows;
  });
  return { isa: backend.isa, threads, read: median(rates) / 1e9, rows };
}

function measureShape(
  backend: CpuBackend,
  { shape, read, clock }: { shape: AttentionShape; read: CeilingContender; clock: ClockName },
): { rows: AttentionRow[]; readRate: number } {
  using decode16 = createDecode(backend, shape, 16);
  using decode8 = createDecode(backend, shape, 8);
  using decode4 = createDecode(backend, shape, 4);
  const times = timeInTurn([read, decode16, decode8, decode4], { clock });
  const readRate = read.amount / times.get(read.name)!;
  const rows = [decode16, decode8, decode4].map((decode) => {
    const seconds = times.get(decode.name)!;
    return {
      ...shape,
      bits: decode.bits,
      milliseconds: seconds * 1e3,
      gigabytesPerSecond: decode.bytes / seconds / 1e9,
      shareOfBandwidth: decode.bytes / seconds / readRate,
      speedup: times.get(decode16.name)! / seconds,
    };
  });
  return { rows, readRate };
}

interface Decode extends Contender, Disposable {
  readonly bits: AttentionRow['bits'];
  /** That one run has to read. */
  readonly bytes: number;
}

function createDecode(backend: CpuBackend, shape: AttentionShape, bits: Decode['bits']): Decode {
  const { context, batch, numHeads, numKvHeads } = shape;
  const geometry = { numHeads, numKvHeads, headDim };
  const perHead = (2 * headDim * bits) / 8 + (bits < 16 ? 2 * 5 : 0);
  const bytes = batch * context * numKvHeads * perHead;
  const layers = Math.max(2, Math.ceil(coldBytes / bytes));
  const blocks = Math.ceil(context / blockSize);
  const numBlocks = batch * blocks;
  const format = { keyBits: bits, valueBits: bits } as const;
  const cache = backend.createKvCache({
    formats: Array.from({ length: layers }, () => format),
    numKvHeads,
    headDim,
    blockSize,
    numBlocks,
  });
  fillCache(backend, cache, geometry);
  const order = shuffled(numBlocks);
  const sequences = Array.from({ length: batch }, (_, i) => order.slice(i * blocks, (i + 1) * blocks));
  const buffer = new BatchBuffer(backend, {
    maxTokens: batch,
    maxSequences: batch,
    maxBlocksPerSequence: blocks,
  });
  const step = buffer.fill(
    sequences.map((own) => ({ tokenIds: new Int32Array(1), start: context - 1, blocks: own })),
  );
  const qkv = backend.allocate('f32', [batch, (numHeads + 2 * numKvHeads) * headDim]);
  qkv.f32().set(noise(qkv.size));
  const channels = numHeads * headDim;
  const storage = backend.allocate('u8', [batch * channels * 4]);
  const out = backend.activation({ format: { kind: 'f32' }, channels, maxTokens: batch, storage });
  let layer = 0;
  return {
    name: `${bits} bits`,
    bits,
    bytes,
    run: () => {
      layer = (layer + 1) % layers;
      backend.attention({ qkv, geometry, scale: headDim ** -0.5, batch: step, cache, layer, out });
    },
    [Symbol.dispose]() {
      for (const resource of [cache, buffer, qkv, storage]) resource[Symbol.dispose]();
    },
  };
}

/** One block of tokens in every layer, copied to all other blocks: attention takes as long whatever the numbers are. */
function fillCache(backend: CpuBackend, cache: KvCache, geometry: AttentionGeometry): void {
  const { numHeads, numKvHeads } = geometry;
  using buffer = new BatchBuffer(backend, {
    maxTokens: blockSize,
    maxSequences: 1,
    maxBlocksPerSequence: 1,
  });
  const batch = buffer.fill([{ tokenIds: new Int32Array(blockSize), start: 0, blocks: [0] }]);
  using qkv = backend.allocate('f32', [blockSize, (numHeads + 2 * numKvHeads) * headDim]);
  using cos = backend.allocate('f32', [blockSize, headDim / 2]);
  using sin = backend.allocate('f32', [blockSize, headDim / 2]);
  qkv.f32().set(noise(qkv.size));
  cos.f32().fill(1);
  for (let layer = 0; layer < cache.formats.length; layer++) {
    backend.ropeAppendKv({ qkv, geometry, cos, sin, batch, cache, layer });
  }
  for (let block = 1; block < cache.numBlocks; block++) backend.copyBlock(cache, 0, block);
}

/** The same numbers in [-1, 1) on every machine. */
function noise(count: number): Float32Array {
  let state = 1;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state / 2 ** 31;
  });
}

function shuffled(count: number): Int32Array {
  const keys = noise(count);
  return Int32Array.from(keys.keys()).sort((a, b) => keys[a]! - keys[b]!);
}
