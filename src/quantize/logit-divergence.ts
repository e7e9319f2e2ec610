// How far next-token distributions have moved from those of the unquantized model: the mean Kullback-Leibler divergence
// KL(p || q) in nats per token. It knows hidden states and the language-model head, and nothing of what changed them.
import type { Backend } from '../backend/backend.ts';
import type { Tensor } from '../backend/tensor.ts';
import { activationRequest, LinearLayer } from '../model/linear-layer.ts';
import type { ModelSource } from '../model/model-source.ts';
import { Workspace } from '../model/workspace.ts';

/** Rows whose logits are held at once. */
const rowsPerChunk = 128;
/** Tokens that the unquantized model thinks less likely than this weigh nothing: a few 1e-5 nats at most. */
const negligible = 1e-8;

export class LogitDivergence implements Disposable {
  readonly #backend: Backend;
  readonly #source: ModelSource;
  readonly #workspace: Workspace;
  readonly #lmHead: LinearLayer;
  readonly #rows: Tensor; // (rowsPerChunk) i32
  readonly #probabilities: Float32Array; // (rowsPerChunk, vocab)
  readonly #reference: Float32Array; // (rowsPerChunk, vocab) logits

  constructor({ backend, source }: { backend: Backend; source: ModelSource }) {
    const { config, lmHead } = source;
    this.#backend = backend;
    this.#source = source;
    this.#workspace = new Workspace({
      backend,
      config,
      maxTokens: rowsPerChunk,
      maxOutputs: rowsPerChunk,
      activations: [activationRequest(lmHead)],
    });
    this.#lmHead = new LinearLayer({ backend, workspace: this.#workspace, group: lmHead });
    this.#rows = backend.allocate('i32', [rowsPerChunk]);
    this.#probabilities = new Float32Array(rowsPerChunk * config.vocabSize);
    this.#reference = new Float32Array(rowsPerChunk * config.vocabSize);
  }

  /**
   * Of each variant: hidden states after the last layer, (variants * rows, hidden) f32, variant after variant, against
   * `reference` (rows, hidden) f32.
   */
  measure({ reference, variants }: { reference: Tensor; variants: Tensor }): number[] {
    const rows = reference.shape[0]!;
    const sums = new Float64Array(variants.shape[0]! / rows);
    for (let first = 0; first < rows; first += rowsPerChunk) {
      const count = Math.min(rowsPerChunk, rows - first);
      this.#keepReference(reference, first, count);
      for (let variant = 0; variant < sums.length; variant++) {
        sums[variant]! += this.#divergence(this.#logits(variants, variant * rows + first, count));
      }
    }
    return Array.from(sums, (sum) => sum / rows);
  }

  #keepReference(reference: Tensor, first: number, count: number): void {
    const logits = this.#logits(reference, first, count);
    this.#reference.set(logits);
    const vocab = logits.length / count;
    for (let row = 0; row < count; row++) {
      const from = logits.subarray(row * vocab, (row + 1) * vocab);
      const to = this.#probabilities.subarray(row * vocab, (row + 1) * vocab);
      let peak = -Infinity;
      for (let i = 0; i < vocab; i++) if (from[i]! > peak) peak = from[i]!;
      let sum = 0;
      for (let i = 0; i < vocab; i++) {
        const value = Math.exp(from[i]! - peak);
        to[i] = value;
        sum += value;
      }
      for (let i = 0; i < vocab; i++) to[i]! /= sum;
    }
  }

  /** Sum over rows of log(sum p e^d) - sum p d, where d is how far each logit moved. */
  #divergence(logits: Float32Array): number {
    const vocab = this.#source.config.vocabSize;
    const [p, before] = [this.#probabilities, this.#reference];
    let total = 0;
    for (let start = 0; start < logits.length; start += vocab) {
      let mass = 0;
      let grown = 0;
      let moved = 0;
      for (let i = start; i < start + vocab; i++) {
        const weight = p[i]!;
        if (weight < negligible) continue;
        const d = logits[i]! - before[i]!;
        mass += weight;
        grown += weight * Math.expm1(d);
        moved += weight * d;
      }
      total += Math.log1p(grown / mass) - moved / mass;
    }
    return total;
  }

  /** Logits of rows [first, first + count): (count, vocab), valid until the next call. */
  #logits(hidden: Tensor, first: number, count: number): Float32Array {
    const { logits } = this.#workspace;
    this.#rows.i32().set(Int32Array.from({ length: count }, (_, row) => row));
    this.#backend.rmsNorm({
      x: hidden.rows(first, count),
      weight: this.#source.finalNorm,
      epsilon: this.#source.config.rmsNormEps,
      out: this.#lmHead.input,
      tokens: count,
      rows: this.#rows,
    });
    this.#lmHead.run(logits, count);
    return logits.rows(0, count).f32();
  }

  [Symbol.dispose](): void {
    for (const resource of [this.#lmHead, this.#workspace, this.#rows]) resource[Symbol.dispose]();
  }
}
