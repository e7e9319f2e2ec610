// A rotation of the residual stream that leaves the model's function as it was: its strongest directions become the last
// channels, which are kept in higher precision, and within both parts the directions are mixed, so that no channel of a
// group is louder than its neighbours (after QuaRot, Ashkboos et al., 2024, and ResQ, Saxena et al., 2024).
//
// R = Q M: Q orthogonal with the strong directions V in its first columns, as a product of Householder reflections;
// M = [0, mix of V; mix of the rest, 0]. Norms must carry no gains when R is applied.
import type { Backend } from '../../backend/backend.ts';
import type { Tensor } from '../../backend/tensor.ts';
import type { LayerWeights } from '../layer-weights.ts';
import { multiply, multiplyColumns, multiplyRows, transposed } from '../matrix.ts';
import { dominantSubspace, householder, mixing, type Random, reflect } from './orthogonal.ts';

export class Rotation implements Disposable {
  readonly #backend: Backend;
  /** (hidden, hidden) f32: row j is column j of R, since products run along rows. */
  readonly #turned: Tensor;

  /** `covariance` (n, n) of the stream; its strongest `outliers` directions come last. */
  constructor(
    backend: Backend,
    { covariance, outliers, random }: { covariance: Float64Array; outliers: number; random: Random },
  ) {
    const n = Math.sqrt(covariance.length);
    const normal = n - outliers;
    const strong = dominantSubspace(backend, covariance, { count: outliers, random });
    const reflections = householder(strong, n);
    const m = new Float64Array(n * n);
    const [mixed, tail] = [mixing(normal, random), mixing(outliers, random)];
    for (let i = 0; i < normal; i++) m.set(mixed.subarray(i * normal, (i + 1) * normal), (outliers + i) * n);
    for (let i = 0; i < outliers; i++) m.set(tail.subarray(i * outliers, (i + 1) * outliers), i * n + normal);
    reflect(reflections, m, n);
    this.#backend = backend;
    this.#turned = backend.allocate('f32', [n, n]);
    const turned = this.#turned.f32();
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) turned[j * n + i] = m[i * n + j]!;
  }

  /** Turns what a layer reads from the stream and what it adds to it. Its norms must have gains of 1. */
  apply(weights: LayerWeights): void {
    const { q, k, v, o, gate, up, down } = weights.matrices;
    for (const matrix of [q, k, v, gate, up]) multiplyColumns(this.#backend, matrix, this.#turned);
    for (const matrix of [o, down]) multiplyRows(this.#backend, matrix, this.#turned);
    for (const input of ['output', 'down'] as const) {
      const bias = weights.biases(input);
      if (bias) multiplyColumns(this.#backend, bias.view([1, bias.size]), this.#turned);
    }
  }

  /** out = rows R, for the embedding and the language-model head: (vocab, hidden) f32. */
  turn(rows: Tensor, out: Tensor): void {
    multiply(this.#backend, rows, this.#turned, out);
  }

  /** out = rows R^T: rows of the turned stream as they were, (rows, hidden) f32. */
  turnBack(rows: Tensor, out: Tensor): void {
    using upright = transposed(this.#backend, this.#turned);
    multiply(this.#backend, rows, upright, out);
  }

  [Symbol.dispose](): void {
    this.#turned[Symbol.dispose]();
  }
}
