// A quantized layer to the tensors of its shard, and back: a run that goes on takes finished layers from their shards.
import { layerLinears } from '../checkpoint/expected-tensors.ts';
import type { ModelConfig } from '../checkpoint/model-config.ts';
import type { Quantization } from '../checkpoint/quantization.ts';
import { reorderTensor } from '../checkpoint/quantized-tensors.ts';
import type { SafetensorsWriter, TensorSpec } from '../checkpoint/safetensors-writer.ts';
import type { TensorStore } from '../checkpoint/tensor-store.ts';
import { decoderLinears } from '../model/decoder-linears.ts';
import { dequantizeStored } from '../model/stored-weight.ts';
import { type LayerWeights, type LinearName, linearsOf } from './layer-weights.ts';
import { packedSpecs, packLinear } from './pack-linear.ts';
import { linearInputs } from './profile.ts';
import type { QuantizedLayer } from './quantizer.ts';
import type { Recipe } from './recipe.ts';

interface LayerContext {
  readonly config: ModelConfig;
  readonly quantization: Quantization;
  readonly recipe: Recipe;
}

/** All tensors of layer `index`: norms, and of every linear weight, bias and the order of its input. */
export function layerTensors(
  config: ModelConfig,
  { index, quantization, recipe }: Omit<LayerContext, 'config'> & { index: number },
): TensorSpec[] {
  const { hiddenSize, headDim, qkNorm } = config;
  const norms = normNames(index);
  const specs: TensorSpec[] = [
    { name: norms.attention, dtype: 'F32', shape: [hiddenSize] },
    { name: norms.mlp, dtype: 'F32', shape: [hiddenSize] },
  ];
  if (qkNorm) {
    specs.push(
      { name: norms.q, dtype: 'F32', shape: [headDim] },
      { name: norms.k, dtype: 'F32', shape: [headDim] },
    );
  }
  const ordered = new Set<string>();
  for (const linear of layerLinears(config, index)) {
    specs.push(...packedSpecs(linear, quantization.schemeOf(linear), recipe));
    if (linear.bias) specs.push({ name: `${linear.name}.bias`, dtype: 'F32', shape: [linear.outFeatures] });
    const order = reorderTensor(linear, quantization);
    if (!order || ordered.has(order.name)) continue;
    ordered.add(order.name);
    specs.push({ name: order.name, dtype: 'I32', shape: order.shape });
  }
  return specs;
}

/** Writes the bytes of `layerTensors`. */
export function packLayer(
  writer: SafetensorsWriter,
  { index, weights, orders, linears }: QuantizedLayer,
  { config, quantization, recipe }: LayerContext,
): void {
  const norms = normNames(index);
  writer.write(norms.attention, weights.attentionNorm.f32());
  writer.write(norms.mlp, weights.mlpNorm.f32());
  if (config.qkNorm) {
    writer.write(norms.q, weights.qNorm!.f32());
    writer.write(norms.k, weights.kNorm!.f32());
  }
  for (const input of linearInputs) {
    const group = decoderLinears(config, index)[input];
    for (const [i, linear] of group.entries()) {
      const name = linearsOf[input][i]!;
      const scheme = quantization.schemeOf(linear);
      const { rounded } = linears.find((other) => other.name === name)!;
      const specs = packedSpecs(linear, scheme, recipe);
      for (const [tensor, bytes] of packLinear(linear, {
        weight: weights.matrices[name],
        rounded,
        scheme,
        specs,
      })) {
        writer.write(tensor, bytes);
      }
      if (linear.bias) writer.write(`${linear.name}.bias`, weights.bias(name)!);
    }
    const order = reorderTensor(group[0]!, quantization);
    if (order) writer.write(order.name, orders[input]!);
  }
}

/** Fills prepared weights with the values that a finished shard holds. */
export function restoreLayer(
  weights: LayerWeights,
  {
    store,
    config,
    index,
    quantization,
  }: Omit<LayerContext, 'recipe'> & { store: TensorStore; index: number },
): void {
  for (const input of linearInputs) {
    for (const [i, linear] of decoderLinears(config, index)[input].entries()) {
      const scheme = quantization.schemeOf(linear);
      const name: LinearName = linearsOf[input][i]!;
      const values = weights.matrices[name].f32();
      if (scheme.weight.format !== 'none') dequantizeStored(store, linear, scheme, values);
      else values.set(plainValues(store.read(`${linear.name}.weight`)));
    }
  }
}

/** BF16 as `packLinear` wrote it. */
function plainValues(bytes: Uint8Array): Float32Array {
  const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
  return new Float32Array(Uint32Array.from(halves, (half) => half << 16).buffer);
}

function normNames(index: number) {
  const prefix = `model.layers.${index}`;
  return {
    attention: `${prefix}.input_layernorm.weight`,
    mlp: `${prefix}.post_attention_layernorm.weight`,
    q: `${prefix}.self_attn.q_norm.weight`,
    k: `${prefix}.self_attn.k_norm.weight`,
  };
}
