// `bench gemm`: the dense matrix product in f32 and bf16 against the multiply-add peak measured in the same run, and at
// one row against the read bandwidth. Checks a few results before it times anything.
import type { CpuBackend } from '../backend/cpu/cpu-backend.ts';
import { AtomError } from '../errors.ts';
import { ceilingContender } from './peaks.ts';
import { timeInTurn } from './timing.ts';

export interface GemmShape {
  readonly tokens: number;
  readonly inFeatures: number;
  readonly outFeatures: number;
}

export interface GemmRow extends GemmShape {
  readonly type: 'f32' | 'bf16';
  readonly milliseconds: number;
  readonly gflops: number;
  readonly gigabytesPerSecond: number;
  /** Of the multiply-add peak of the type. */
  readonly shareOfPeak: number;
  /** Of the read bandwidth, counting the weights once; only for few rows, where it is the ceiling. */
  readonly shareOfBandwidth?: number;
}

export interface GemmReport {
  readonly isa: string;
  readonly threads: number;
  /** GFLOPS; GB/s for read. Medians over the run. */
  readonly ceilings: Readonly<Record<'f32' | 'bf16' | 'read', number>>;
  readonly rows: readonly GemmRow[];
}

export const gemmShapes: readonly GemmShape[] = [
  { tokens: 1, inFeatures: 4096, outFeatures: 11008 },
  { tokens: 16, inFeatures: 4096, outFeatures: 4096 },
  { tokens: 128, inFeatures: 4096, outFeatures: 4096 },
  { tokens: 512, inFeatures: 2048, outFeatures: 2048 },
  { tokens: 512, inFeatures: 2048, outFeatures: 5632 },
  { tokens: 512, inFeatures: 4096, outFeatures: 4096 },
];

/** Rows up to which reading the weights takes longer than multiplying with them. */
const fewRows = 16;

export function benchGemm(
  backend: CpuBackend,
  {
    shapes = gemmShapes,
    threads,
    onRow,
  }: { shapes?: readonly GemmShape[]; threads: number; onRow?: (row: GemmRow) => void },
): GemmReport {
  const totals = { f32: [] as number[], bf16: [] as number[], read: [] as number[] };
  const rows: GemmRow[] = [];
  using read = ceilingContender(backend, 'read');
  for (const type of ['f32', 'bf16'] as const) {
    using peak = ceilingContender(backend, type);
    for (const shape of shapes) {
      using product = createProduct(backend, type, shape);
      product.check();
      // Reading far more than the caches hold between two products would make every product start cold.
      const bound = shape.tokens <= fewRows;
      const times = timeInTurn([
        peak,
        ...(bound ? [read] : []),
        { name: 'product', run: () => product.run() },
      ]);
      const seconds = times.get('product')!;
      const operations = 2 * shape.tokens * shape.inFeatures * shape.outFeatures;
      const peakRate = peak.amount / times.get(peak.name)!;
      const readRate = bound ? read.amount / times.get(read.name)! : undefined;
      totals[type].push(peakRate / 1e9);
      if (readRate) totals.read.push(readRate / 1e9);
      const row = {
        type,
        ...shape,
        milliseconds: seconds * 1e3,
        gflops: operations / seconds / 1e9,
        gigabytesPerSecond: product.weightBytes / seconds / 1e9,
        shareOfPeak: operations / seconds / peakRate,
        ...(readRate && { shareOfBandwidth: product.weightBytes / seconds / readRate }),
      };
      rows.push(row);
      onRow?.(row);
    }
  }
  const middle = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1]!;
  const ceilings = { f32: middle(totals.f32), bf16: middle(totals.bf16), read: middle(totals.read) };
  return { isa: backend.isa, threads, ceilings, rows };
}

function createProduct(
  backend: CpuBackend,
  compute: 'f32' | 'bf16',
  { tokens, inFeatures, outFeatures }: GemmShape,
) {
  const format = { kind: compute };
  const storage = backend.allocate('u8', [
    backend.activationBytes({ format, channels: inFeatures, maxTokens: tokens }),
  ]);
  const input = backend.activation({ format, channels: inFeatures, maxTokens: tokens, storage });
  const source = backend.allocate(compute, [outFeatures, inFeatures]);
  const out = backend.allocate('f32', [tokens, outFeatures]);
  // Values that differ from place to place and are exact in both types, so that the check below is exact as well.
  const valueAt = (row: number, column: number) => (((row * 7 + column * 13) % 31) - 15) / 16;
  const fill = (tensor: typeof source | typeof input.storage, rows: number) => {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < inFeatures; column++) {
        const value = valueAt(row, column);
        if (compute === 'f32') f32View(tensor)[row * inFeatures + column] = value;
        else u16View(tensor)[row * inFeatures + column] = bf16Bits(value);
      }
    }
  };
  const views = new Map<object, Float32Array | Uint16Array>();
  const f32View = (tensor: typeof source) => cached(views, tensor, () => tensor.f32()) as Float32Array;
  const u16View = (tensor: typeof source) => cached(views, tensor, () => tensor.u16()) as Uint16Array;
  fill(input.storage, tokens);
  fill(source, outFeatures);
  const weight = backend.loadLinear([{ kind: 'dense', weight: source, compute }]);
  const run = () => backend.linear({ input, weight, out, tokens });
  return {
    weightBytes: weight.byteLength,
    run,
    /** Throws `internal` when a product is wrong. */
    check() {
      run();
      for (const [row, column] of [
        [0, 0],
        [tokens - 1, outFeatures - 1],
        [tokens >> 1, outFeatures >> 1],
      ] as const) {
        let expected = 0;
        for (let k = 0; k < inFeatures; k++) expected += valueAt(row, k) * valueAt(column, k);
        const actual = out.f32()[row * outFeatures + column]!;
        if (Math.abs(actual - expected) > 1e-3 * inFeatures) {
          throw new AtomError(
            'internal',
            `the ${compute} product is wrong at (${row}, ${column}): ${actual} instead of ${expected}`,
          );
        }
      }
    },
    [Symbol.dispose]() {
      for (const resource of [weight, out, source, storage]) resource[Symbol.dispose]();
    },
  };
}

function cached<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const found = map.get(key) ?? make();
  map.set(key, found);
  return found;
}

const word = new DataView(new ArrayBuffer(4));

function bf16Bits(value: number): number {
  word.setFloat32(0, value);
  return word.getUint16(0);
}
