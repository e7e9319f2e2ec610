// A decoder's parts from an Atom checkpoint. How a linear and its input are computed is a `Realization`: simulated in f32
// for every format there is, or packed for the kernels.
import type { Backend } from '../backend/backend.ts';
import type { ActivationFormat, KvFormat, LinearSource } from '../backend/formats.ts';
import type { Tensor } from '../backend/tensor.ts';
import { EMBEDDING, FINAL_NORM, type LinearSpec, lmHead } from '../checkpoint/expected-tensors.ts';
import type { Checkpoint } from '../checkpoint/open-checkpoint.ts';
import type { KvScheme, LinearScheme, Quantization } from '../checkpoint/quantization.ts';
import { reorderTensor } from '../checkpoint/quantized-tensors.ts';
import { CheckpointTensors } from './checkpoint-tensors.ts';
import { decoderLinears } from './decoder-linears.ts';
import type { LayerSource, LinearGroup, ModelSource } from './model-source.ts';

export interface QuantizedCheckpoint extends Checkpoint {
  readonly quantization: Quantization;
}

/** What a realization reads from, and where it puts what must live as long as the source. */
export interface RealizationContext {
  readonly checkpoint: QuantizedCheckpoint;
  readonly tensors: CheckpointTensors;
  readonly backend: Backend;
  /** Disposed with the source. */
  readonly owned: Tensor[];
}

export interface Realization {
  /** A linear of a layer. */
  linear(spec: LinearSpec, scheme: LinearScheme, context: RealizationContext): LinearSource;
  activation(scheme: LinearScheme): ActivationFormat;
  cache(scheme: KvScheme): KvFormat;
  /** The output of the model, from its plain weight (vocab, hidden). */
  head(weight: Tensor, context: RealizationContext): Pick<LinearGroup, 'sources' | 'activation'>;
}

export function quantizedSource(
  checkpoint: QuantizedCheckpoint,
  { backend, realization }: { backend: Backend; realization: Realization },
): ModelSource {
  const { config, quantization } = checkpoint;
  const tensors = new CheckpointTensors(checkpoint, backend);
  const owned: Tensor[] = [];
  const context = { checkpoint, tensors, backend, owned };

  const group = (linears: readonly LinearSpec[]): LinearGroup => {
    const [first] = linears;
    const biases = linears.filter(({ bias }) => bias).map(({ name }) => `${name}.bias`);
    const order = reorderTensor(first!, quantization);
    return {
      sources: linears.map((linear) => realization.linear(linear, quantization.schemeOf(linear), context)),
      activation: realization.activation(quantization.schemeOf(first!)),
      ...(biases.length > 0 && { bias: tensors.vector(...biases) }),
      ...(order && { reorder: tensors.get(order.name) }),
    };
  };
  const head = lmHead(config);
  const plainHead = quantization.schemeOf(head).weight.format === 'none';
  return {
    config,
    kvFormats: Array.from({ length: config.numLayers }, (_, layer) => {
      return realization.cache(quantization.kvOf(layer));
    }),
    embedding: tensors.get(EMBEDDING),
    finalNorm: tensors.vector(FINAL_NORM),
    lmHead: plainHead
      ? realization.head(tensors.get(config.tiedEmbeddings ? EMBEDDING : `${head.name}.weight`), context)
      : group([head]),
    layer(index): LayerSource {
      const prefix = `model.layers.${index}`;
      const { qkv, output, gateUp, down } = decoderLinears(config, index);
      return {
        attentionNorm: tensors.vector(`${prefix}.input_layernorm.weight`),
        mlpNorm: tensors.vector(`${prefix}.post_attention_layernorm.weight`),
        ...(config.qkNorm && {
          qNorm: tensors.vector(`${prefix}.self_attn.q_norm.weight`),
          kNorm: tensors.vector(`${prefix}.self_attn.k_norm.weight`),
        }),
        linears: { qkv: group(qkv), output: group(output), gateUp: group(gateUp), down: group(down) },
      };
    },
    [Symbol.dispose]() {
      for (const tensor of owned) tensor[Symbol.dispose]();
      tensors[Symbol.dispose]();
    },
  };
}
