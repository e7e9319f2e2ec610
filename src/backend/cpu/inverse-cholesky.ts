// The upper Cholesky factor of an inverse, block by block: nearly all of its operations are dense products.
//
//   H = U U^T (U upper, from the last block column to the first), X = U^-1, H^-1 = X^T X, so the factor wanted is X.
//   X is kept turned (Y = X^T, lower) while it grows, because products run along rows.
//   cost: 2/3 n^3 operations, 8 n^2 bytes beside the matrix
import { AtomError } from '../../errors.ts';
import type { Backend } from '../backend.ts';
import { expectTensor } from '../check.ts';
import type { Tensor } from '../tensor.ts';
import { addProduct } from './dense-product.ts';
import { allocateTensor } from './memory.ts';
import type { NativeOperators } from './native.ts';

const blockSize = 128;
const stripColumns = 512;

export function inverseCholesky(
  operators: NativeOperators,
  { matrix, out }: Parameters<Backend['inverseCholesky']>[0],
): void {
  const n = matrix.shape.at(-1)!;
  expectTensor('inverseCholesky', 'matrix', matrix, { dtypes: ['f32'], atLeast: n * n });
  expectTensor('inverseCholesky', 'out', out, { dtypes: ['f32'], atLeast: n * n });
  using turned = allocateTensor('f32', [n, n]);
  using inverses = allocateTensor('f32', [Math.ceil(n / blockSize), blockSize * blockSize]);
  factor(operators, matrix, inverses, n);
  invert(operators, matrix, inverses, turned, n);
  operators.transpose!(turned.address, n, out.address, n, n, n);
}

/** Replaces the upper triangle of `matrix` by U; `inverses` receives the inverse of each diagonal block of U. */
function factor(operators: NativeOperators, matrix: Tensor, inverses: Tensor, n: number): void {
  using panel = allocateTensor('f32', [n, blockSize]);
  using negative = allocateTensor('f32', [n, blockSize]);
  for (let first = lastBlock(n); first >= 0; first -= blockSize) {
    const size = Math.min(blockSize, n - first);
    const inverse = inverses.rows(first / blockSize, 1);
    factorBlock(matrix.f32(), inverse.f32(), { first, size, n });
    // The rows above the block: U_i = A_i U_kk^-T.
    addProduct(operators, {
      left: { address: matrix.address + 4 * first, pitch: n, rows: first },
      right: { address: inverse.address, pitch: size, rows: size },
      length: size,
      out: { address: panel.address, pitch: size, column: 0 },
      accumulate: false,
    });
    const values = matrix.f32();
    const [rows, minus] = [panel.f32(), negative.f32()];
    for (let row = 0; row < first; row++) {
      values.set(rows.subarray(row * size, (row + 1) * size), row * n + first);
    }
    for (let i = 0; i < first * size; i++) minus[i] = -rows[i]!;
    for (let column = 0; column < first; column += stripColumns) {
      const end = Math.min(first, column + stripColumns);
      addProduct(operators, {
        left: { address: negative.address, pitch: size, rows: end },
        right: { address: panel.address + 4 * column * size, pitch: size, rows: end - column },
        length: size,
        out: { address: matrix.address, pitch: n, column },
      });
    }
  }
}

/** Y = U^-T, from the last rows of U to the first. */
function invert(
  operators: NativeOperators,
  factors: Tensor,
  inverses: Tensor,
  turned: Tensor,
  n: number,
): void {
  using sums = allocateTensor('f32', [n, blockSize]);
  using negative = allocateTensor('f32', [blockSize, blockSize]);
  const y = turned.f32();
  for (let first = lastBlock(n); first >= 0; first -= blockSize) {
    const size = Math.min(blockSize, n - first);
    const end = first + size;
    const inverse = inverses.rows(first / blockSize, 1);
    const values = inverse.f32();
    for (let i = 0; i < size; i++) {
      for (let j = i; j < size; j++) y[(first + j) * n + first + i] = values[i * size + j]!;
    }
    for (let row = end; row < n; row += stripColumns) {
      const last = Math.min(n, row + stripColumns);
      // sums[j] = the sum over k of Y[j][k] U[i][k]; Y is lower, so k ends with the strip.
      addProduct(operators, {
        left: { address: turned.address + 4 * (row * n + end), pitch: n, rows: last - row },
        right: { address: factors.address + 4 * (first * n + end), pitch: n, rows: size },
        length: last - end,
        out: { address: sums.address + 4 * (row - end) * size, pitch: size, column: 0 },
        accumulate: false,
      });
    }
    for (let i = 0; i < size * size; i++) negative.f32()[i] = -values[i]!;
    addProduct(operators, {
      left: { address: sums.address, pitch: size, rows: n - end },
      right: { address: negative.address, pitch: size, rows: size },
      length: size,
      out: { address: turned.address + 4 * end * n, pitch: n, column: first },
      accumulate: false,
    });
  }
}

const lastBlock = (n: number): number => Math.floor((n - 1) / blockSize) * blockSize;

/** One diagonal block in double precision: matrix = U U^T in place, and U^-1 (size, size). Throws `numeric`. */
function factorBlock(
  matrix: Float32Array,
  inverse: Float32Array,
  { first, size, n }: { first: number; size: number; n: number },
): void {
  const u = new Float64Array(size * size);
  for (let column = size - 1; column >= 0; column--) {
    for (let row = column; row >= 0; row--) {
      let sum = matrix[(first + row) * n + first + column]!;
      for (let k = column + 1; k < size; k++) sum -= u[row * size + k]! * u[column * size + k]!;
      if (row === column) {
        if (!(sum > 0)) {
          throw new AtomError(
            'numeric',
            `a Hessian of ${n} channels is not positive definite at channel ${first + column} (pivot ${sum}); raise the damping or calibrate with more tokens`,
          );
        }
        u[row * size + row] = Math.sqrt(sum);
      } else {
        u[row * size + column] = sum / u[column * size + column]!;
      }
      matrix[(first + row) * n + first + column] = u[row * size + column]!;
    }
  }
  const x = new Float64Array(size * size);
  for (let column = 0; column < size; column++) {
    for (let row = column; row >= 0; row--) {
      let sum = row === column ? 1 : 0;
      for (let k = row + 1; k <= column; k++) sum -= u[row * size + k]! * x[k * size + column]!;
      x[row * size + column] = sum / u[row * size + row]!;
    }
  }
  inverse.set(x);
}
