// What distinguishes the model families, one row each: the defaults of their Hugging Face configuration classes
// (transformers, configuration_<family>.py) and where their decoders differ. It must not parse or check fields.
import type { HuggingFaceConfig } from './hugging-face-config.ts';

export type Architecture = 'llama' | 'mistral' | 'qwen2' | 'qwen3' | 'mixtral' | 'qwen2_moe' | 'qwen3_moe';

export interface Family {
  /** The entry of "architectures" that means a causal language model of this family. */
  readonly className: string;
  /** When num_key_value_heads is absent; 'heads' means as many as num_attention_heads. */
  readonly numKvHeads: number | 'heads';
  /** When head_dim is absent; 'split' means hidden_size / num_attention_heads. */
  readonly headDim: number | 'split';
  readonly maxPositions: number;
  readonly rmsNormEps: number;
  readonly ropeTheta: number;
  readonly qkNorm: boolean;
  /** Biases of q, k, v; of o; of the MLP. */
  readonly biases: (config: HuggingFaceConfig) => { qkv: boolean; output: boolean; mlp: boolean };
  /** The sliding window, if any layer has one, and which layers have it when layer_types does not say. */
  readonly window: (config: HuggingFaceConfig) => number | undefined;
  readonly slides: (config: HuggingFaceConfig, layer: number) => boolean;
  readonly moe: 'none' | 'mixtral' | 'qwen';
}

const noBias = () => ({ qkv: false, output: false, mlp: false });
const attentionBias = ({ attention_bias }: HuggingFaceConfig) => {
  const attention = attention_bias ?? false;
  return { qkv: attention, output: attention, mlp: false };
};
const noWindow = () => undefined;
const never = () => false;
const always = () => true;
/** Mistral 7B's window, which its class and Qwen's assume of a file that does not say; null says none. */
const window = ({ sliding_window }: HuggingFaceConfig) =>
  sliding_window === undefined ? 4096 : (sliding_window ?? undefined);
/** Qwen's files state a window even when it is switched off. */
const switchedWindow = (config: HuggingFaceConfig) =>
  config.use_sliding_window ? window(config) : undefined;
const slidesFromMaxWindowLayers = (config: HuggingFaceConfig, layer: number) =>
  layer >= (config.max_window_layers ?? 28);

const llama = {
  className: 'LlamaForCausalLM',
  numKvHeads: 'heads',
  headDim: 'split',
  maxPositions: 2048,
  rmsNormEps: 1e-6,
  ropeTheta: 10_000,
  qkNorm: false,
  biases: (config) => ({ ...attentionBias(config), mlp: config.mlp_bias ?? false }),
  window: noWindow,
  slides: never,
  moe: 'none',
} as const satisfies Family;

const mistral = {
  ...llama,
  className: 'MistralForCausalLM',
  numKvHeads: 8,
  maxPositions: 131_072,
  biases: noBias,
  window,
  slides: always,
} as const satisfies Family;

const qwen2 = {
  ...llama,
  className: 'Qwen2ForCausalLM',
  numKvHeads: 32,
  maxPositions: 32_768,
  biases: () => ({ qkv: true, output: false, mlp: false }),
  window: switchedWindow,
  slides: slidesFromMaxWindowLayers,
} as const satisfies Family;

export const families: Readonly<Record<Architecture, Family>> = {
  llama,
  mistral,
  qwen2,
  qwen3: {
    ...qwen2,
    className: 'Qwen3ForCausalLM',
    headDim: 128,
    qkNorm: true,
    biases: attentionBias,
  },
  mixtral: {
    ...mistral,
    className: 'MixtralForCausalLM',
    rmsNormEps: 1e-5,
    ropeTheta: 1_000_000,
    window: ({ sliding_window }) => sliding_window ?? undefined,
    moe: 'mixtral',
  },
  qwen2_moe: {
    ...qwen2,
    className: 'Qwen2MoeForCausalLM',
    numKvHeads: 16,
    biases: ({ qkv_bias }) => ({ qkv: qkv_bias ?? true, output: false, mlp: false }),
    slides: (config, layer) => layer % 2 === 0 && !slidesFromMaxWindowLayers(config, layer),
    moe: 'qwen',
  },
  qwen3_moe: {
    ...qwen2,
    className: 'Qwen3MoeForCausalLM',
    numKvHeads: 4,
    qkNorm: true,
    biases: attentionBias,
    slides: always,
    moe: 'qwen',
  },
};

export const architectures = Object.keys(families) as Architecture[];
