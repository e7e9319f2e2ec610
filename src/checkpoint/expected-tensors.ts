// Which tensors a plain checkpoint of a config holds, under Hugging Face's names, and which linears read which input.
// The one place that knows tensor names; it must not open files.
import type { ModelConfig } from './model-config.ts';

/** A matrix (outFeatures, inFeatures) stored as `<name>.weight`, with `<name>.bias` (outFeatures) if it has one. */
export interface LinearSpec {
  readonly name: string;
  readonly outFeatures: number;
  readonly inFeatures: number;
  readonly bias: boolean;
  /** Linears of one input read the same activations: they share its channel order and its quantized form. */
  readonly input: string;
  /** Undefined for lm_head. */
  readonly layer?: number;
}

export interface ExpectedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** 'linear' is the weight of a LinearSpec, which quantized checkpoints store otherwise. */
  readonly role: 'embedding' | 'norm' | 'linear' | 'bias' | 'router';
}

export const EMBEDDING = 'model.embed_tokens.weight';
export const FINAL_NORM = 'model.norm.weight';
export const LM_HEAD = 'lm_head';

/** Every tensor of a plain checkpoint, in the order of the decoder. A tied lm_head is not expected. */
export function* expectedTensors(config: ModelConfig): Generator<ExpectedTensor> {
  const { vocabSize, hiddenSize } = config;
  yield { name: EMBEDDING, shape: [vocabSize, hiddenSize], role: 'embedding' };
  for (let layer = 0; layer < config.numLayers; layer++) {
    yield* normsOf(config, layer);
    yield* routersOf(config, layer);
    for (const linear of layerLinears(config, layer)) yield* tensorsOf(linear);
  }
  yield { name: FINAL_NORM, shape: [hiddenSize], role: 'norm' };
  if (!config.tiedEmbeddings) yield* tensorsOf(lmHead(config));
}

/** Every linear, lm_head last. Routers of experts are not among them: they stay in 16 bits. */
export function* linearsOf(config: ModelConfig): Generator<LinearSpec> {
  for (let layer = 0; layer < config.numLayers; layer++) yield* layerLinears(config, layer);
  yield lmHead(config);
}

export function lmHead({ vocabSize, hiddenSize }: ModelConfig): LinearSpec {
  return {
    name: LM_HEAD,
    outFeatures: vocabSize,
    inFeatures: hiddenSize,
    bias: false,
    input: 'lm_head_input',
  };
}

/** The linears of one decoder layer: q, k, v, o, then gate, up, down of the MLP or of every expert. */
export function* layerLinears(config: ModelConfig, layer: number): Generator<LinearSpec> {
  const { hiddenSize, headDim, moe } = config;
  const attention = `model.layers.${layer}.self_attn`;
  const queries = config.numHeads * headDim;
  const keys = config.numKvHeads * headDim;
  const qkv = {
    inFeatures: hiddenSize,
    bias: config.attentionBias,
    input: `${attention}.qkv_input`,
    layer,
  };
  yield { name: `${attention}.q_proj`, outFeatures: queries, ...qkv };
  yield { name: `${attention}.k_proj`, outFeatures: keys, ...qkv };
  yield { name: `${attention}.v_proj`, outFeatures: keys, ...qkv };
  yield {
    name: `${attention}.o_proj`,
    outFeatures: hiddenSize,
    inFeatures: queries,
    bias: config.outputBias,
    input: `${attention}.o_input`,
    layer,
  };

  const block = mlpBlock(config, layer);
  const input = `${block}.gate_up_input`;
  const mlp = { hiddenSize, input, layer };
  if (!moe?.sparseLayers[layer]) {
    yield* mlpLinears(block, { ...mlp, innerSize: config.intermediateSize, bias: config.mlpBias });
    return;
  }
  for (let expert = 0; expert < moe.numExperts; expert++) {
    yield* mlpLinears(`${block}.experts.${expert}`, {
      ...mlp,
      innerSize: moe.expertIntermediateSize,
      bias: false,
      names: config.architecture === 'mixtral' ? mixtralNames : usualNames,
    });
  }
  if (moe.sharedExpertIntermediateSize !== undefined) {
    yield* mlpLinears(`${block}.shared_expert`, {
      ...mlp,
      innerSize: moe.sharedExpertIntermediateSize,
      bias: false,
    });
  }
}

function mlpBlock({ architecture }: ModelConfig, layer: number): string {
  return `model.layers.${layer}.${architecture === 'mixtral' ? 'block_sparse_moe' : 'mlp'}`;
}

const usualNames = { gate: 'gate_proj', up: 'up_proj', down: 'down_proj' };
const mixtralNames = { gate: 'w1', up: 'w3', down: 'w2' };

/** down(silu(gate(x)) * up(x)). */
function* mlpLinears(
  prefix: string,
  options: {
    hiddenSize: number;
    innerSize: number;
    bias: boolean;
    input: string;
    layer: number;
    names?: typeof usualNames;
  },
): Generator<LinearSpec> {
  const { hiddenSize, innerSize, bias, input, layer, names = usualNames } = options;
  const inner = { outFeatures: innerSize, inFeatures: hiddenSize, bias, input, layer };
  yield { name: `${prefix}.${names.gate}`, ...inner };
  yield { name: `${prefix}.${names.up}`, ...inner };
  yield {
    name: `${prefix}.${names.down}`,
    outFeatures: hiddenSize,
    inFeatures: innerSize,
    bias,
    input: `${prefix}.down_input`,
    layer,
  };
}

function* tensorsOf({ name, outFeatures, inFeatures, bias }: LinearSpec): Generator<ExpectedTensor> {
  yield { name: `${name}.weight`, shape: [outFeatures, inFeatures], role: 'linear' };
  if (bias) yield { name: `${name}.bias`, shape: [outFeatures], role: 'bias' };
}

function* normsOf({ hiddenSize, headDim, qkNorm }: ModelConfig, layer: number): Generator<ExpectedTensor> {
  const prefix = `model.layers.${layer}`;
  yield { name: `${prefix}.input_layernorm.weight`, shape: [hiddenSize], role: 'norm' };
  yield { name: `${prefix}.post_attention_layernorm.weight`, shape: [hiddenSize], role: 'norm' };
  if (!qkNorm) return;
  yield { name: `${prefix}.self_attn.q_norm.weight`, shape: [headDim], role: 'norm' };
  yield { name: `${prefix}.self_attn.k_norm.weight`, shape: [headDim], role: 'norm' };
}

function* routersOf(config: ModelConfig, layer: number): Generator<ExpectedTensor> {
  const { moe, hiddenSize } = config;
  if (!moe?.sparseLayers[layer]) return;
  const block = mlpBlock(config, layer);
  yield { name: `${block}.gate.weight`, shape: [moe.numExperts, hiddenSize], role: 'router' };
  if (moe.sharedExpertIntermediateSize !== undefined) {
    yield { name: `${block}.shared_expert_gate.weight`, shape: [1, hiddenSize], role: 'router' };
  }
}
