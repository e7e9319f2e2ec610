// The two triangular factors that GPTQ needs, in plain double precision loops: the truth for native kernels.
// Matrices are square, row-major, (n, n) f64.
import { AtomError } from '../errors.ts';

/** L with L L^T = matrix, zeros above the diagonal. Throws `numeric` unless the matrix is positive definite. */
export function choleskyLower(matrix: Float64Array, n: number): Float64Array {
  const lower = new Float64Array(n * n);
  for (let row = 0; row < n; row++) {
    for (let column = 0; column <= row; column++) {
      let sum = matrix[row * n + column]!;
      for (let k = 0; k < column; k++) sum -= lower[row * n + k]! * lower[column * n + k]!;
      if (row !== column) {
        lower[row * n + column] = sum / lower[column * n + column]!;
      } else if (sum > 0) {
        lower[row * n + row] = Math.sqrt(sum);
      } else {
        throw new AtomError(
          'numeric',
          `a Hessian of ${n} channels is not positive definite at channel ${row} (pivot ${sum}); raise the damping or calibrate with more tokens`,
        );
      }
    }
  }
  return lower;
}

/**
 * U upper triangular with U^T U = matrix^-1, without forming the inverse: with the order of rows and columns reversed
 * (J A J = L L^T), A = (J L J)(J L J)^T, J L J is upper triangular, and U = (J L J)^-1.
 */
export function upperCholeskyOfInverse(matrix: Float64Array, n: number): Float64Array {
  const reversed = matrix.slice().reverse(); // reversing all n * n entries reverses rows and columns at once
  return invertUpper(choleskyLower(reversed, n).reverse(), n);
}

/** Inverse of an upper triangular matrix, column by column by back substitution. */
function invertUpper(upper: Float64Array, n: number): Float64Array {
  const inverse = new Float64Array(n * n);
  for (let column = 0; column < n; column++) {
    for (let row = column; row >= 0; row--) {
      let sum = row === column ? 1 : 0;
      for (let k = row + 1; k <= column; k++) sum -= upper[row * n + k]! * inverse[k * n + column]!;
      inverse[row * n + column] = sum / upper[row * n + row]!;
    }
  }
  return inverse;
}
