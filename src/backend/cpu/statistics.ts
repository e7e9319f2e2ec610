// Statistics of columns on the CPU, alone and in pairs: checks, then one native call.
import type { Backend } from '../backend.ts';
import { expectTensor } from '../check.ts';
import { addProduct } from './dense-product.ts';
import { allocateTensor } from './memory.ts';
import type { NativeOperators } from './native.ts';

export function columnStatistics(
  operators: NativeOperators,
  args: Parameters<Backend['columnStatistics']>[0],
): void {
  const { x, rows, sumSquares, sumMagnitudes, peaks } = args;
  const cols = peaks.size;
  expectTensor('columnStatistics', 'x', x, { dtypes: ['f32'], atLeast: rows * cols });
  expectTensor('columnStatistics', 'peaks', peaks, { dtypes: ['f32'], atLeast: cols });
  for (const [name, sums] of Object.entries({ sumSquares, sumMagnitudes })) {
    // f64 sums lie in twice as many f32 words.
    expectTensor('columnStatistics', name, sums, { dtypes: ['f32'], atLeast: 2 * cols });
  }
  operators.column_statistics!(
    x.address,
    rows,
    cols,
    sumSquares.address,
    sumMagnitudes.address,
    peaks.address,
  );
}

/** Columns of a strip of the Hessian: wide enough to keep products busy, narrow enough to skip almost half the square. */
const stripColumns = (n: number) => Math.min(512, Math.max(128, 64 * Math.ceil(n / 512)));

export function syrk(operators: NativeOperators, { x, rows, hessian }: Parameters<Backend['syrk']>[0]): void {
  const n = hessian.shape.at(-1)!;
  expectTensor('syrk', 'hessian', hessian, { dtypes: ['f32'], atLeast: n * n });
  expectTensor('syrk', 'x', x, { dtypes: ['f32'], atLeast: rows * n });
  // Rows of the turned input are what products run along.
  using turned = allocateTensor('f32', [n, rows]);
  operators.transpose!(x.address, n, turned.address, rows, rows, n);
  const width = stripColumns(n);
  for (let first = 0; first < n; first += width) {
    const last = Math.min(n, first + width);
    addProduct(operators, {
      left: { address: turned.address, pitch: rows, rows: last },
      right: { address: turned.address + 4 * first * rows, pitch: rows, rows: last - first },
      length: rows,
      out: { address: hessian.address, pitch: n, column: first },
    });
  }
}
