// Weights while they are being quantized: (out, in) f32 in native memory, with the reorderings that Atom makes.
import type { Backend } from '../backend/backend.ts';
import type { Tensor } from '../backend/tensor.ts';
import { floatsOf } from '../model/checkpoint-tensors.ts';

/** A copy of a checkpoint's weight as f32; the caller disposes it. */
export function loadMatrix(backend: Backend, weight: Tensor): Tensor {
  const copy = backend.allocate('f32', weight.shape);
  copy.f32().set(floatsOf(weight));
  return copy;
}

/** Columns gathered: column c becomes column order[c] of before. In place. */
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

/** Rows gathered: row r becomes row order[r] of before. In place. */
export function reorderRows(matrix: Tensor, order: Int32Array): void {
  const columns = matrix.shape[1]!;
  const before = matrix.f32().slice();
  const values = matrix.f32();
  for (const [row, from] of order.entries())
    values.set(before.subarray(from * columns, (from + 1) * columns), row * columns);
}
