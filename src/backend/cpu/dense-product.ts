// The dense linear as a product of plain f32 matrices, for whoever composes it: out += left right^T, parts of matrices
// included. Checks nothing; callers know their shapes.
import type { NativeOperators } from './native.ts';

interface Rows {
  readonly address: number;
  /** Elements from one row to the next. */
  readonly pitch: number;
  readonly rows: number;
}

/** out[i][column + j] += sum over k < length of left[i][k] right[j][k]; without `accumulate` it is replaced. */
export function addProduct(
  operators: NativeOperators,
  options: {
    left: Rows;
    right: Rows;
    length: number;
    out: { address: number; pitch: number; column: number };
    accumulate?: boolean;
  },
): void {
  const { left, right, length, out, accumulate = true } = options;
  if (left.rows === 0 || right.rows === 0 || length === 0) return;
  operators.linear_dense!(
    left.address,
    left.pitch,
    right.address,
    right.pitch,
    0,
    out.address,
    left.rows,
    length,
    right.rows,
    out.pitch,
    out.column,
    0,
    Number(accumulate),
  );
}
