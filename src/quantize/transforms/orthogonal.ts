// Orthogonal matrices: dominant subspaces, Householder reflections, random mixings. Row-major (n, n) f64.
import type { Backend } from '../../backend/backend.ts';
import { walshHadamard } from '../../numerics/hadamard.ts';
import { multiply } from '../matrix.ts';

/** Uniform in [0, 1). */
export type Random = () => number;

/** A small generator with a seed (mulberry32): the same numbers on every machine. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = state;
    x = Math.imul(x ^ (x >>> 15), x | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

function gaussian(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

const iterations = 40;

/** Rows (count, n), orthonormal: close to the eigenvectors of the largest eigenvalues of a symmetric matrix. */
export function dominantSubspace(
  backend: Backend,
  matrix: Float64Array,
  { count, random }: { count: number; random: Random },
): Float64Array {
  const n = Math.sqrt(matrix.length);
  using symmetric = backend.allocate('f32', [n, n]);
  using rows = backend.allocate('f32', [Math.max(1, count), n]);
  using product = backend.allocate('f32', rows.shape);
  symmetric.f32().set(matrix);
  const vectors = Float64Array.from({ length: count * n }, () => gaussian(random));
  for (let step = 0; step < iterations && count > 0; step++) {
    orthonormalise(vectors, n);
    rows.f32().set(vectors);
    multiply(backend, rows, symmetric, product);
    vectors.set(product.f32());
  }
  orthonormalise(vectors, n);
  return vectors;
}

/** Gram and Schmidt, twice, so that what rounding left is removed too. */
function orthonormalise(vectors: Float64Array, n: number): void {
  const count = vectors.length / n;
  for (let i = 0; i < count; i++) {
    const row = vectors.subarray(i * n, (i + 1) * n);
    for (let pass = 0; pass < 2; pass++) {
      for (let j = 0; j < i; j++) {
        const other = vectors.subarray(j * n, (j + 1) * n);
        let dot = 0;
        for (let c = 0; c < n; c++) dot += row[c]! * other[c]!;
        for (let c = 0; c < n; c++) row[c]! -= dot * other[c]!;
      }
    }
    const length = Math.hypot(...chunks(row));
    for (let c = 0; c < n; c++) row[c]! /= length;
  }
}

/** Lengths of pieces of a vector: Math.hypot takes only so many arguments. */
function chunks(row: Float64Array): number[] {
  const lengths: number[] = [];
  for (let start = 0; start < row.length; start += 256)
    lengths.push(Math.hypot(...row.subarray(start, start + 256)));
  return lengths;
}

/**
 * Reflections whose product has the given orthonormal rows (count, n) as its first columns, up to sign: reflection i is
 * I - 2 v v^T with v in row i of the result.
 */
export function householder(rows: Float64Array, n: number): Float64Array {
  const count = rows.length / n;
  const work = rows.slice();
  const reflections = new Float64Array(rows.length);
  for (let i = 0; i < count; i++) {
    const v = reflections.subarray(i * n, (i + 1) * n);
    v.set(work.subarray(i * n + i, (i + 1) * n), i);
    const length = Math.hypot(...chunks(v));
    v[i]! += v[i]! < 0 ? -length : length;
    const norm = Math.hypot(...chunks(v));
    for (let c = i; c < n; c++) v[c]! /= norm;
    for (let j = i; j < count; j++) {
      const row = work.subarray(j * n, (j + 1) * n);
      let dot = 0;
      for (let c = i; c < n; c++) dot += v[c]! * row[c]!;
      for (let c = i; c < n; c++) row[c]! -= 2 * dot * v[c]!;
    }
  }
  return reflections;
}

/** matrix = product of the reflections times matrix (n, n). */
export function reflect(reflections: Float64Array, matrix: Float64Array, n: number): void {
  const dots = new Float64Array(n);
  for (let i = reflections.length / n - 1; i >= 0; i--) {
    const v = reflections.subarray(i * n, (i + 1) * n);
    dots.fill(0);
    for (let row = i; row < n; row++) {
      const factor = v[row]!;
      const at = row * n;
      for (let c = 0; c < n; c++) dots[c]! += factor * matrix[at + c]!;
    }
    for (let row = i; row < n; row++) {
      const factor = 2 * v[row]!;
      const at = row * n;
      for (let c = 0; c < n; c++) matrix[at + c]! -= factor * dots[c]!;
    }
  }
}

/** Up to this size a random orthogonal matrix is made outright; larger ones are a smaller one times a Hadamard matrix. */
const largestRandom = 512;

/** A random orthogonal matrix (n, n) that spreads every direction over all others. */
export function mixing(n: number, random: Random): Float64Array {
  let block = 1;
  while (n / block > largestRandom && (n / block) % 2 === 0) block *= 2;
  const small = n / block;
  const orthogonal = Float64Array.from({ length: small * small }, () => gaussian(random));
  orthonormalise(orthogonal, small);
  if (block === 1) return orthogonal;
  // (small x H_block), rows and columns in random signs.
  const hadamard = Array.from({ length: block }, (_, i) => {
    const unit = new Float32Array(block);
    unit[i] = 1;
    return walshHadamard(unit, block);
  });
  const sign = () => Float64Array.from({ length: n }, () => (random() < 0.5 ? -1 : 1));
  const [left, right] = [sign(), sign()];
  const result = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    const row = hadamard[i % block]!;
    for (let j = 0; j < n; j++) {
      const part = orthogonal[Math.floor(i / block) * small + Math.floor(j / block)]!;
      result[i * n + j] = left[i]! * part * row[j % block]! * right[j]!;
    }
  }
  return result;
}
