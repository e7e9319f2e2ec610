// What a decoder is made from: weights and formats, layer by layer, wherever they come from.
// A plain checkpoint, an Atom checkpoint and the quantizer's simulation each offer this; the decoder sees no difference.
import type { ActivationFormat, KvFormat, LinearSource } from '../backend/formats.ts';
import type { Tensor } from '../backend/tensor.ts';
import type { ModelConfig } from '../checkpoint/model-config.ts';

/** The four distinct inputs of a decoder layer's linears. */
export type LinearInput = 'qkv' | 'output' | 'gateUp' | 'down';

/** One linear, or several that share an input and are fused along the output. */
export interface LinearGroup {
  readonly sources: readonly LinearSource[];
  readonly bias?: Tensor; // (sum of out) f32
  readonly activation: ActivationFormat;
  /** (in) i32, the order in which the input's channels are stored; absent where the order is the natural one. */
  readonly reorder?: Tensor;
}

export interface LayerSource {
  readonly attentionNorm: Tensor; // (hidden) f32
  readonly mlpNorm: Tensor; // (hidden) f32
  readonly qNorm?: Tensor; // (headDim) f32
  readonly kNorm?: Tensor; // (headDim) f32
  readonly linears: Readonly<Record<LinearInput, LinearGroup>>;
}

export interface ModelSource extends Disposable {
  readonly config: ModelConfig;
  /** Cache format of each layer. */
  readonly kvFormats: readonly KvFormat[];
  readonly embedding: Tensor; // (vocab, hidden) f32, f16 or bf16
  readonly finalNorm: Tensor; // (hidden) f32
  readonly lmHead: LinearGroup;
  /** The parts of layer `index`; `done` may be called once they have been taken over, to drop what was read. */
  layer(index: number): LayerSource;
}
