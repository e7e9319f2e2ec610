// Statistics of columns on the CPU, alone and in pairs: checks, then one native call.
import type { Backend } from '../backend.ts';
import { expectTensor } from '../check.ts';
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

export function syrk(operators: NativeOperators, { x, rows, hessian }: Parameters<Backend['syrk']>[0]): void {
  const n = hessian.shape.at(-1)!;
  expectTensor('syrk', 'hessian', hessian, { dtypes: ['f32'], atLeast: n * n });
  expectTensor('syrk', 'x', x, { dtypes: ['f32'], atLeast: rows * n });
  operators.syrk!(x.address, rows, n, hessian.address);
}
