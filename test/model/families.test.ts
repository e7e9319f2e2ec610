// Every family that runs, with random weights, against a decoder of plain loops.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { CpuBackend } from '../../src/backend/cpu/cpu-backend.ts';
import { openCheckpoint } from '../../src/checkpoint/open-checkpoint.ts';
import { writeRandomCheckpoint } from '../../src/checkpoint/random-checkpoint.ts';
import { readTensor } from '../../src/checkpoint/safetensors-reader.ts';
import { BatchBuffer } from '../../src/model/batch-buffer.ts';
import { loadModel } from '../../src/model/load-model.ts';
import { decodeBf16 } from '../../src/numerics/half-floats.ts';
import { plainLogits, type Weights } from './plain-decoder.ts';

const scratch = mkdtempSync(join(tmpdir(), 'atom-families-'));
afterAll(() => rmSync(scratch, { recursive: true }));
const backend = new CpuBackend();

const small = {
  hidden_act: 'silu',
  vocab_size: 96,
  hidden_size: 48,
  intermediate_size: 80,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-6,
  rope_theta: 10_000,
  tie_word_embeddings: false,
  torch_dtype: 'bfloat16',
};

const configs: Record<string, object> = {
  'Llama without grouped heads': { ...small, architectures: ['LlamaForCausalLM'], num_key_value_heads: 4 },
  'Llama with biases and tied embeddings': {
    ...small,
    architectures: ['LlamaForCausalLM'],
    attention_bias: true,
    mlp_bias: true,
    tie_word_embeddings: true,
  },
  'Llama 3.1 with its RoPE scaling': {
    ...small,
    architectures: ['LlamaForCausalLM'],
    rope_scaling: {
      rope_type: 'llama3',
      factor: 4,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 16,
    },
  },
  'Llama with heads wider than hidden / heads': {
    ...small,
    architectures: ['LlamaForCausalLM'],
    head_dim: 32,
  },
  'Llama with YaRN': {
    ...small,
    architectures: ['LlamaForCausalLM'],
    rope_scaling: { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 16 },
  },
  'Mistral with a sliding window': { ...small, architectures: ['MistralForCausalLM'], sliding_window: 7 },
  'Qwen2 with QKV bias': { ...small, architectures: ['Qwen2ForCausalLM'] },
  'Qwen3 with normalised heads': { ...small, architectures: ['Qwen3ForCausalLM'], head_dim: 16 },
};

test.each(Object.entries(configs))('%s', (name, config) => {
  const dir = join(scratch, name.replaceAll(/\W/g, '-'));
  writeRandomCheckpoint(dir, { config: config as never, seed: 4 });
  const checkpoint = openCheckpoint(dir);
  const weights: Weights = (tensor) => {
    const halves = new Uint16Array(readTensor(checkpoint.tensors.get(tensor)).buffer);
    return Float32Array.from(halves, decodeBf16);
  };
  const tokenIds = Array.from({ length: 21 }, (_, i) => (i * 37 + 5) % 96);
  const expected = plainLogits(checkpoint.config, weights, tokenIds);

  using model = loadModel(dir, { backend, compute: 'f32', maxTokens: 32, maxOutputs: 32 });
  using cache = model.createKvCache({ blockSize: 16, numBlocks: 2 });
  using buffer = new BatchBuffer(backend, { maxTokens: 32, maxSequences: 1, maxBlocksPerSequence: 2 });
  using outputRows = backend.allocate('i32', [32]);
  outputRows.i32().set(Int32Array.from({ length: 32 }, (_, i) => i));
  const batch = buffer.fill([{ tokenIds, start: 0, blocks: [1, 0] }]);
  const logits = model.forward({ batch, cache, outputRows, numOutputs: 21 }).f32();
  const largest = Math.max(...expected.flat().map(Math.abs));
  const worst = Math.max(...expected.flat().map((value, i) => Math.abs(value - logits[i]!)));
  expect(largest).toBeGreaterThan(0.1);
  expect(worst / largest).toBeLessThan(1e-5);
});

test('a mixture of experts is refused by name instead of run wrongly', () => {
  const dir = join(scratch, 'mixtral');
  const config = {
    ...small,
    architectures: ['MixtralForCausalLM'],
    num_local_experts: 4,
    num_experts_per_tok: 2,
  };
  writeRandomCheckpoint(dir, { config: config as never, seed: 4 });
  expect(() => loadModel(dir, { backend, maxTokens: 8 })).toThrowError(
    expect.objectContaining({ code: 'unsupported-model', message: expect.stringContaining('mixtral') }),
  );
});
