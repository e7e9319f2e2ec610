// One decoder layer while it is being quantized: its weights as f32 matrices in native memory, one per linear, which
// transforms and rounding change in place.
import type { Backend } from '../backend/backend.ts';
import type { Tensor } from '../backend/tensor.ts';
import { loadMatrix } from '../model/checkpoint-tensors.ts';
import type { LayerSource, LinearInput } from '../model/model-source.ts';
import { linearInputs } from './profile.ts';

export type LinearName = 'q' | 'k' | 'v' | 'o' | 'gate' | 'up' | 'down';

/** The linears of each input, in the order they are fused in. */
export const linearsOf: Readonly<Record<LinearInput, readonly LinearName[]>> = {
  qkv: ['q', 'k', 'v'],
  output: ['o'],
  gateUp: ['gate', 'up'],
  down: ['down'],
};

export class LayerWeights implements Disposable {
  readonly matrices: Readonly<Record<LinearName, Tensor>>; // (out, in) f32 each
  readonly attentionNorm: Tensor; // (hidden) f32
  readonly mlpNorm: Tensor;
  readonly qNorm: Tensor | undefined; // (headDim) f32, the source's own
  readonly kNorm: Tensor | undefined;
  readonly #biases = new Map<LinearInput, Tensor>();

  /** Copies; the source's pages may be dropped afterwards. */
  constructor(backend: Backend, source: LayerSource) {
    const matrices = {} as Record<LinearName, Tensor>;
    for (const input of linearInputs) {
      const { sources, bias } = source.linears[input];
      for (const [i, { weight }] of sources.entries()) {
        matrices[linearsOf[input][i]!] = loadMatrix(backend, weight);
        backend.dropPages(weight);
      }
      if (bias) this.#biases.set(input, copyOf(backend, bias));
    }
    this.matrices = matrices;
    this.attentionNorm = copyOf(backend, source.attentionNorm);
    this.mlpNorm = copyOf(backend, source.mlpNorm);
    this.qNorm = source.qNorm;
    this.kNorm = source.kNorm;
  }

  /** Biases of all linears of an input, back to back: (sum of out) f32; absent where the model has none. */
  biases(input: LinearInput): Tensor | undefined {
    return this.#biases.get(input);
  }

  /** The bias of one linear, a view. */
  bias(name: LinearName): Float32Array | undefined {
    for (const input of linearInputs) {
      const place = linearsOf[input].indexOf(name);
      if (place < 0) continue;
      const before = linearsOf[input].slice(0, place);
      const start = before.reduce((sum, other) => sum + this.matrices[other].shape[0]!, 0);
      return this.#biases
        .get(input)
        ?.f32()
        .subarray(start, start + this.matrices[name].shape[0]!);
    }
    return undefined;
  }

  [Symbol.dispose](): void {
    const tensors = [...Object.values(this.matrices), ...this.#biases.values()];
    for (const tensor of [...tensors, this.attentionNorm, this.mlpNorm]) tensor[Symbol.dispose]();
  }
}

function copyOf(backend: Backend, vector: Tensor): Tensor {
  const copy = backend.allocate('f32', vector.shape);
  copy.f32().set(vector.f32());
  return copy;
}
