// The buffers of one step, allocated once for the largest step and shared by all layers.
// An activation lives from the operator that writes it to the linear that reads it, so all of them share one storage but
// for that of the down projection: it is written while gate and up still read theirs.
import type { Activation, Backend } from '../backend/backend.ts';
import type { ActivationFormat } from '../backend/formats.ts';
import type { Tensor } from '../backend/tensor.ts';
import type { ModelConfig } from '../checkpoint/model-config.ts';

export interface ActivationRequest {
  readonly format: ActivationFormat;
  readonly channels: number;
  readonly reorder?: Tensor;
}

export class Workspace implements Disposable {
  readonly maxTokens: number;
  readonly maxOutputs: number;
  readonly hidden: Tensor; // (maxTokens, hidden) f32, the residual stream
  readonly outputs: Tensor; // (maxOutputs, hidden) f32, the rows of it that logits are wanted of
  readonly qkv: Tensor; // (maxTokens, (heads + 2 kvHeads) headDim) f32
  readonly gateUp: Tensor; // (maxTokens, 2 intermediate) f32
  readonly logits: Tensor; // (maxOutputs, vocab) f32
  readonly #storage: Tensor; // u8, one activation at a time
  readonly #gated: Tensor; // u8, the down projection's
  readonly #backend: Backend;

  constructor(options: {
    backend: Backend;
    config: ModelConfig;
    maxTokens: number;
    maxOutputs: number;
    /** Every activation that will be asked for: the storage is sized by the largest. */
    activations: readonly ActivationRequest[];
  }) {
    const { backend, config, maxTokens, maxOutputs, activations } = options;
    this.#backend = backend;
    this.maxTokens = maxTokens;
    this.maxOutputs = maxOutputs;
    this.hidden = backend.allocate('f32', [maxTokens, config.hiddenSize]);
    this.outputs = backend.allocate('f32', [maxOutputs, config.hiddenSize]);
    this.qkv = backend.allocate('f32', [
      maxTokens,
      (config.numHeads + 2 * config.numKvHeads) * config.headDim,
    ]);
    this.gateUp = backend.allocate('f32', [maxTokens, 2 * config.intermediateSize]);
    this.logits = backend.allocate('f32', [maxOutputs, config.vocabSize]);
    const bytes = activations.map(({ format, channels }) =>
      backend.activationBytes({ format, channels, maxTokens }),
    );
    this.#storage = backend.allocate('u8', [Math.max(...bytes)]);
    this.#gated = backend.allocate('u8', [Math.max(...bytes)]);
  }

  activation({ format, channels, reorder }: ActivationRequest, { gated = false } = {}): Activation {
    return this.#backend.activation({
      format,
      channels,
      maxTokens: this.maxTokens,
      storage: gated ? this.#gated : this.#storage,
      ...(reorder && { reorder }),
    });
  }

  [Symbol.dispose](): void {
    const { hidden, outputs, qkv, gateUp, logits } = this;
    for (const tensor of [hidden, outputs, qkv, gateUp, logits, this.#storage, this.#gated]) {
      tensor[Symbol.dispose]();
    }
  }
}
