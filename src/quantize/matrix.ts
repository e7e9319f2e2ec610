// Matrices (out, in) f32 in native memory: what transforms do to them, in place.
import type { Backend } from '../backend/backend.ts';
import type { Tensor } from '../backend/tensor.ts';

/** Columns gathered: column c becomes column order[c] of before. */
export function reorderColumns(matrix: Tensor, order: Int32Array): void {
  const [rows, columns] = matrix.shape as [number, number];
  const values = matrix.f32();
  const row = new Float32Array(columns);
  for (let r = 0; r < rows; r++) {
    const at = values.subarray(r * columns, (r + 1) * columns);
    for (let c = 0; c < columns; c++) row[c] = at[order[c]!]!;
    at.set(row);
  }
}

/** Rows gathered: row r becomes row order[r] of before. */
export function reorderRows(matrix: Tensor, order: Int32Array): void {
  const columns = matrix.shape[1]!;
  const before = matrix.f32().slice();
  const values = matrix.f32();
  for (const [row, from] of order.entries())
    values.set(before.subarray(from * columns, (from + 1) * columns), row * columns);
}

/** Column c times factor(c). */
export function scaleColumns(matrix: Tensor, factors: ArrayLike<number>): void {
  const [rows, columns] = matrix.shape as [number, number];
  const values = matrix.f32();
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) values[r * columns + c]! *= factors[c]!;
  }
}

/** Row r times factor(r). */
export function scaleRows(matrix: Tensor, factors: ArrayLike<number>): void {
  const columns = matrix.shape[1]!;
  const values = matrix.f32();
  for (let i = 0; i < values.length; i++) values[i]! *= factors[Math.floor(i / columns)]!;
}

/** Sum of squares of each column. */
export function columnSquares(matrix: Tensor): Float64Array {
  const [rows, columns] = matrix.shape as [number, number];
  const values = matrix.f32();
  const sums = new Float64Array(columns);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) sums[c]! += values[r * columns + c]! ** 2;
  }
  return sums;
}

/** matrix = matrix R, with R given turned: (in, in) f32, row j of it column j of R. */
export function multiplyColumns(backend: Backend, matrix: Tensor, turned: Tensor): void {
  using product = backend.allocate('f32', matrix.shape);
  multiply(backend, matrix, turned, product);
  matrix.f32().set(product.f32());
}

/** matrix = R^T matrix, with R given turned. */
export function multiplyRows(backend: Backend, matrix: Tensor, turned: Tensor): void {
  using sideways = transposed(backend, matrix);
  using product = backend.allocate('f32', sideways.shape);
  multiply(backend, sideways, turned, product);
  using upright = transposed(backend, product);
  matrix.f32().set(upright.f32());
}

/** out (rows, n) = x (rows, k) w^T, w (n, k). */
export function multiply(backend: Backend, x: Tensor, w: Tensor, out: Tensor): void {
  const [rows, channels] = x.shape as [number, number];
  using weight = backend.loadLinear([{ kind: 'dense', weight: w, compute: 'f32' }]);
  const storage = x.view([x.byteLength], { dtype: 'u8' });
  const input = backend.activation({ format: { kind: 'f32' }, channels, maxTokens: rows, storage });
  backend.linear({ input, weight, out, tokens: rows });
}

export function transposed(backend: Backend, matrix: Tensor): Tensor {
  const [rows, columns] = matrix.shape as [number, number];
  const result = backend.allocate('f32', [columns, rows]);
  const [from, to] = [matrix.f32(), result.f32()];
  const square = 32; // both sides of a square stay in the first-level cache
  for (let top = 0; top < rows; top += square) {
    for (let left = 0; left < columns; left += square) {
      const [bottom, right] = [Math.min(rows, top + square), Math.min(columns, left + square)];
      for (let c = left; c < right; c++)
        for (let r = top; r < bottom; r++) to[c * rows + r] = from[r * columns + c]!;
    }
  }
  return result;
}
