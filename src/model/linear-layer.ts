// A linear and the form its input takes: the activation is written by the operator before, and read here.
import type { Activation, Backend, LinearWeight } from '../backend/backend.ts';
import type { Tensor } from '../backend/tensor.ts';
import type { LinearGroup } from './model-source.ts';
import type { ActivationRequest, Workspace } from './workspace.ts';

/** Channels that a group of linears reads. */
export function inFeatures({ sources }: LinearGroup): number {
  const [source] = sources;
  const columns = source!.weight.shape[1]!;
  switch (source!.kind) {
    case 'int':
      return (columns * 8) / source!.bits + (source!.outlierWeight?.shape[1] ?? 0);
    case 'weightOnly':
      return (columns * 8) / source!.bits;
    case 'dense':
    case 'rounded':
      return columns;
    default:
      return source satisfies never;
  }
}

export function activationRequest(group: LinearGroup): ActivationRequest {
  const { activation: format, reorder } = group;
  return { format, channels: inFeatures(group), ...(reorder && { reorder }) };
}

export class LinearLayer implements Disposable {
  /** Written by the operator before. */
  readonly input: Activation;
  readonly weight: LinearWeight;
  readonly #backend: Backend;

  constructor(options: {
    backend: Backend;
    workspace: Workspace;
    group: LinearGroup;
    /** Whether the linear before is fused with what writes this one's input. */
    gated?: boolean;
  }) {
    const { backend, workspace, group, gated = false } = options;
    this.#backend = backend;
    this.input = workspace.activation(activationRequest(group), { gated });
    this.weight = backend.loadLinear(group.sources, group.bias ? { bias: group.bias } : {});
  }

  /** out[t] = W input[t], or added to it: out (tokens, outFeatures) f32. */
  run(out: Tensor, tokens: number, { accumulate = false } = {}): void {
    this.#backend.linear({ input: this.input, weight: this.weight, out, tokens, accumulate });
  }

  /** siluMul of a fused gate and up; gateUp (tokens, outFeatures) f32 is memory to work in. */
  runSiluMul(out: Activation, tokens: number, gateUp: Tensor): void {
    this.#backend.linearSiluMul({ input: this.input, weight: this.weight, gateUp, out, tokens });
  }

  [Symbol.dispose](): void {
    this.weight[Symbol.dispose]();
  }
}
