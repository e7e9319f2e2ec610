// Checkpoints of random weights in the shapes of well-known models, for benches and tests where only sizes matter.
// Written as fast as the disk takes it.
// It must not know how weights are used beyond their spread.
import { copyFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { writeTextFile } from './atomic-file.ts';
import { type ExpectedTensor, expectedTensors } from './expected-tensors.ts';
import { type JsonObject, readJsonObject } from './json-file.ts';
import { parseModelConfig } from './model-config.ts';
import { Noise } from './noise.ts';
import { planShards, ShardWriter } from './shard-writer.ts';
import type { TensorStore } from './tensor-store.ts';

const llama = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_act: 'silu',
  rms_norm_eps: 1e-5,
  rope_theta: 10_000,
  tie_word_embeddings: false,
  bos_token_id: 1,
  eos_token_id: 2,
  torch_dtype: 'bfloat16',
};

/** config.json of the named shapes: the bundled model, TinyLlama 1.1B, Llama 2 7B, Llama 3.1 8B. */
export const randomShapes = {
  tiny: {
    ...llama,
    vocab_size: 4096,
    hidden_size: 256,
    intermediate_size: 768,
    num_hidden_layers: 6,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    max_position_embeddings: 1024,
    tie_word_embeddings: true,
  },
  '1.1b': {
    ...llama,
    vocab_size: 32_000,
    hidden_size: 2048,
    intermediate_size: 5632,
    num_hidden_layers: 22,
    num_attention_heads: 32,
    num_key_value_heads: 4,
    max_position_embeddings: 2048,
  },
  '7b': {
    ...llama,
    vocab_size: 32_000,
    hidden_size: 4096,
    intermediate_size: 11_008,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: 32,
    max_position_embeddings: 4096,
  },
  '8b': {
    ...llama,
    vocab_size: 128_256,
    hidden_size: 4096,
    intermediate_size: 14_336,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: 8,
    max_position_embeddings: 131_072,
    rope_theta: 500_000,
    rope_scaling: {
      rope_type: 'llama3',
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 8192,
    },
  },
} as const satisfies Record<string, JsonObject>;

export type RandomShape = keyof typeof randomShapes;

export interface RandomCheckpointOptions {
  /** config.json, of a named shape or any supported family. */
  readonly config: JsonObject;
  readonly seed?: number;
  readonly maxShardBytes?: number;
  /** A checkpoint folder whose tokenizer, with its special tokens, goes with the weights. */
  readonly tokenizerFrom?: string;
}

/**
 * Writes config.json and BF16 weights to `dir`; equal options give equal bytes. A matrix (out, in) has about variance
 * 1 / in, so that activations neither grow nor vanish. Throws `bad-config`, `io`, `bad-option` as the writers do.
 */
export function writeRandomCheckpoint(
  dir: string,
  { config: raw, seed = 0, maxShardBytes = 5e9, tokenizerFrom }: RandomCheckpointOptions,
): TensorStore {
  const file = join(dir, 'config.json');
  const config = { ...raw, ...(tokenizerFrom !== undefined && specialTokens(tokenizerFrom)) };
  const expected = [...expectedTensors(parseModelConfig(config, file))];
  const byName = new Map(expected.map((tensor) => [tensor.name, tensor]));
  const shards = planShards(
    expected.map(({ name, shape }) => ({ name, shape, dtype: 'BF16' })),
    maxShardBytes,
  );
  const writer = new ShardWriter(dir, { numShards: shards.length });
  writeTextFile(file, `${JSON.stringify(config, undefined, 2)}\n`);
  if (tokenizerFrom !== undefined) copyTokenizer(tokenizerFrom, dir);

  const noise = new Noise(seed);
  for (const [number, tensors] of shards.entries()) {
    using shard = writer.begin(number, tensors);
    for (const { name } of tensors) {
      for (const piece of valuesOf(byName.get(name)!, noise)) shard.write(name, piece);
    }
    shard.commit();
  }
  return writer.commit();
}

const BF16_ONE = 0x3f80;

function* valuesOf({ shape, role }: ExpectedTensor, noise: Noise): Generator<Uint16Array> {
  const size = shape.reduce((product, extent) => product * extent, 1);
  if (role === 'norm') yield new Uint16Array(size).fill(BF16_ONE);
  else yield* noise.draw(size, Math.round(Math.log2(shape.at(-1)!) / 2));
}

/** The token ids of the tokenizer's own model, as fields of config.json. */
function specialTokens(from: string): JsonObject {
  const { bos_token_id, eos_token_id } = readJsonObject(join(from, 'config.json'), 'bad-config');
  return { bos_token_id, eos_token_id };
}

function copyTokenizer(from: string, to: string): void {
  for (const name of ['tokenizer.json', 'tokenizer_config.json', 'chat_template.jinja']) {
    if (existsSync(join(from, name))) copyFileSync(join(from, name), join(to, name));
  }
}
