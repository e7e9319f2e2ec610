// A decoder's parts from an Atom checkpoint, simulated: weights are the values of their codes in f32, activations and
// cache are quantized and dequantized on the way. The truth that packed kernels are held against, for every format.
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
import { dequantizeStored } from './stored-weight.ts';

export function simulatedSource(
  checkpoint: Checkpoint & { readonly quantization: Quantization },
  { backend }: { backend: Backend },
): ModelSource {
  const { config, quantization } = checkpoint;
  const tensors = new CheckpointTensors(checkpoint, backend);
  const owned: Tensor[] = [];

  const dense = (linear: LinearSpec): LinearSource => {
    const scheme = quantization.schemeOf(linear);
    if (scheme.weight.format === 'none') {
      const tied = linear.layer === undefined && config.tiedEmbeddings;
      return {
        kind: 'dense',
        weight: tensors.get(tied ? EMBEDDING : `${linear.name}.weight`),
        compute: 'f32',
      };
    }
    const weight = backend.allocate('f32', [linear.outFeatures, linear.inFeatures]);
    owned.push(weight);
    dequantizeStored(checkpoint.tensors, linear, scheme, weight.f32());
    return { kind: 'dense', weight, compute: 'f32' };
  };
  const group = (linears: readonly LinearSpec[]): LinearGroup => {
    const [first] = linears;
    const biases = linears.filter(({ bias }) => bias).map(({ name }) => `${name}.bias`);
    const order = reorderTensor(first!, quantization);
    return {
      sources: linears.map(dense),
      activation: simulatedActivation(quantization.schemeOf(first!)),
      ...(biases.length > 0 && { bias: tensors.vector(...biases) }),
      ...(order && { reorder: tensors.get(order.name) }),
    };
  };
  return {
    config,
    kvFormats: Array.from({ length: config.numLayers }, (_, layer) =>
      simulatedCache(quantization.kvOf(layer)),
    ),
    embedding: tensors.get(EMBEDDING),
    finalNorm: tensors.vector(FINAL_NORM),
    lmHead: group([lmHead(config)]),
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

export function simulatedActivation({ activation, outlier }: LinearScheme): ActivationFormat {
  const { format, groupSize, range, clip, hadamard } = activation;
  if (format === 'none' && !hadamard) return { kind: 'f32' };
  return {
    kind: 'simulated',
    quantizer: {
      format,
      groupSize,
      range,
      clip,
      hadamard,
      outlierChannels: outlier.channels,
      outlierFormat: outlier.format,
      outlierClip: 1,
    },
  };
}

export function simulatedCache({ keyBits, valueBits, keyBeforeRope, keyHadamard, clip }: KvScheme): KvFormat {
  if (keyBits === 16 && valueBits === 16) return { keyBits: 32, valueBits: 32, keyHadamard };
  return { keyBits, valueBits, simulated: true, keyBeforeRope, keyHadamard, clip };
}
