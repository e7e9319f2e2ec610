// A decoder's parts from an unquantized Hugging Face checkpoint, by the names its family uses.
import type { Backend } from '../backend/backend.ts';
import type { LinearSource } from '../backend/formats.ts';
import type { Checkpoint } from '../checkpoint/open-checkpoint.ts';
import { CheckpointTensors } from './checkpoint-tensors.ts';
import type { LayerSource, LinearGroup, ModelSource } from './model-source.ts';

/** What the linears compute with; the residual stream and everything between them is f32. */
export type Compute = 'f32' | 'bf16';

export function plainSource(
  checkpoint: Checkpoint,
  { backend, compute }: { backend: Backend; compute: Compute },
): ModelSource {
  const { config } = checkpoint;
  const tensors = new CheckpointTensors(checkpoint, backend);

  const dense = (name: string): LinearSource => ({ kind: 'dense', weight: tensors.get(name), compute });
  const group = (prefix: string, linears: readonly string[]): LinearGroup => {
    const names = linears.map((linear) => `${prefix}.${linear}`);
    const biases = names.map((name) => `${name}.bias`).filter((name) => tensors.has(name));
    return {
      sources: names.map((name) => dense(`${name}.weight`)),
      activation: { kind: compute },
      ...(biases.length > 0 && { bias: tensors.vector(...biases) }),
    };
  };

  const embedding = tensors.get('model.embed_tokens.weight');
  const lmHead = dense(config.tiedEmbeddings ? 'model.embed_tokens.weight' : 'lm_head.weight');
  const bits = compute === 'f32' ? 32 : 16;
  return {
    config,
    kvFormats: Array.from({ length: config.numLayers }, () => ({ keyBits: bits, valueBits: bits }) as const),
    embedding,
    finalNorm: tensors.vector('model.norm.weight'),
    lmHead: { sources: [lmHead], activation: { kind: compute } },
    layer(index): LayerSource {
      const prefix = `model.layers.${index}`;
      return {
        attentionNorm: tensors.vector(`${prefix}.input_layernorm.weight`),
        mlpNorm: tensors.vector(`${prefix}.post_attention_layernorm.weight`),
        ...(config.qkNorm && {
          qNorm: tensors.vector(`${prefix}.self_attn.q_norm.weight`),
          kNorm: tensors.vector(`${prefix}.self_attn.k_norm.weight`),
        }),
        linears: {
          qkv: group(`${prefix}.self_attn`, ['q_proj', 'k_proj', 'v_proj']),
          output: group(`${prefix}.self_attn`, ['o_proj']),
          gateUp: group(`${prefix}.mlp`, ['gate_proj', 'up_proj']),
          down: group(`${prefix}.mlp`, ['down_proj']),
        },
      };
    },
    [Symbol.dispose]() {
      tensors[Symbol.dispose]();
    },
  };
}
