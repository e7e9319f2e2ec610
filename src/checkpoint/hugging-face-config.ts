// The fields of Hugging Face's config.json and generation_config.json that matter here, as the files spell them.
// Only types and ranges of single fields are checked; what they mean together is for model-config.ts.
import { z } from 'zod';
import { type JsonObject, parseFields } from './json-file.ts';

// Bounds far above any real model: a config beyond them is damaged, and must not make us allocate.
const size = z
  .int()
  .min(1)
  .max(2 ** 31 - 1);
const layers = z.int().min(1).max(10_000);
const experts = z.int().min(1).max(65_536);
const index = z.int().min(0);
const positive = z.number().positive();
const tokenIds = z.union([index, z.array(index)]);

const ropeFields = z.looseObject({
  rope_type: z.string().nullish(),
  type: z.string().nullish(), // the older spelling
  rope_theta: positive.nullish(),
  factor: z.number().min(1).nullish(),
  original_max_position_embeddings: size.nullish(),
  low_freq_factor: positive.nullish(),
  high_freq_factor: positive.nullish(),
  attention_factor: positive.nullish(),
  beta_fast: positive.nullish(),
  beta_slow: positive.nullish(),
  mscale: z.number().min(0).nullish(),
  mscale_all_dim: z.number().min(0).nullish(),
  truncate: z.boolean().nullish(),
  partial_rotary_factor: positive.nullish(),
});

const configSchema = z.looseObject({
  architectures: z.array(z.string()).nullish(),
  model_type: z.string().nullish(),
  vocab_size: size,
  hidden_size: size,
  intermediate_size: size,
  num_hidden_layers: layers,
  num_attention_heads: size,
  num_key_value_heads: size.nullish(),
  head_dim: size.nullish(),
  max_position_embeddings: size.nullish(),
  rms_norm_eps: positive.nullish(),
  hidden_act: z.string().nullish(),
  tie_word_embeddings: z.boolean().nullish(),
  attention_bias: z.boolean().nullish(),
  qkv_bias: z.boolean().nullish(),
  mlp_bias: z.boolean().nullish(),
  rope_theta: positive.nullish(),
  rope_scaling: ropeFields.nullish(),
  rope_parameters: ropeFields.nullish(),
  partial_rotary_factor: positive.nullish(),
  sliding_window: index.nullish(),
  use_sliding_window: z.boolean().nullish(),
  max_window_layers: index.nullish(),
  layer_types: z.array(z.string()).nullish(),
  num_local_experts: experts.nullish(),
  num_experts: index.max(65_536).nullish(),
  num_experts_per_tok: experts.nullish(),
  moe_intermediate_size: size.nullish(),
  shared_expert_intermediate_size: index.nullish(),
  norm_topk_prob: z.boolean().nullish(),
  decoder_sparse_step: z.int().min(1).nullish(),
  mlp_only_layers: z.array(index).nullish(),
  torch_dtype: z.string().nullish(),
  dtype: z.string().nullish(),
  bos_token_id: index.nullish(),
  eos_token_id: tokenIds.nullish(),
  quantization_config: z.record(z.string(), z.unknown()).nullish(),
});

const generationSchema = z.looseObject({
  bos_token_id: index.nullish(),
  eos_token_id: tokenIds.nullish(),
  do_sample: z.boolean().nullish(),
  temperature: z.number().min(0).nullish(),
  top_k: index.nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  repetition_penalty: positive.nullish(),
});

export type HuggingFaceConfig = z.infer<typeof configSchema>;
export type HuggingFaceRope = z.infer<typeof ropeFields>;
export type HuggingFaceGeneration = z.infer<typeof generationSchema>;

/** Throws `bad-config` naming the file and the first field that is missing or wrong. */
export function parseConfigFields(raw: JsonObject, file: string): HuggingFaceConfig {
  return parseFields(configSchema, raw, { file, code: 'bad-config' });
}

/** Throws `bad-config` naming the file and the first field that is wrong. */
export function parseGenerationFields(raw: JsonObject, file: string): HuggingFaceGeneration {
  return parseFields(generationSchema, raw, { file, code: 'bad-config' });
}
