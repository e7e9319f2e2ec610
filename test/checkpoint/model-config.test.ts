import { describe, expect, test } from 'vitest';
import { parseGenerationConfig } from '../../src/checkpoint/generation-config.ts';
import { parseModelConfig } from '../../src/checkpoint/model-config.ts';
import { expectError } from './files.ts';
import {
  llama1,
  llama31,
  mistral1,
  mixtral,
  qwen3,
  qwen3Moe,
  qwen15Moe,
  qwen25,
} from './hugging-face-configs.ts';

const parse = (raw: Record<string, unknown>) => parseModelConfig(raw, 'config.json');
const without = (raw: Record<string, unknown>, field: string) =>
  Object.fromEntries(Object.entries(raw).filter(([name]) => name !== field));

function expectBad(raw: Record<string, unknown>, ...parts: string[]): void {
  expectError(() => parse(raw), 'bad-config', 'config.json', ...parts);
}

function expectUnsupported(raw: Record<string, unknown>, ...parts: string[]): void {
  expectError(() => parse(raw), 'unsupported-model', 'config.json', ...parts);
}

describe('families', () => {
  test('Llama 1: every head has its own keys, no biases, no scaling', () => {
    expect(parse(llama1)).toEqual({
      architecture: 'llama',
      vocabSize: 32000,
      hiddenSize: 4096,
      intermediateSize: 11008,
      numLayers: 32,
      numHeads: 32,
      numKvHeads: 32,
      headDim: 128,
      maxPositions: 2048,
      rmsNormEps: 1e-6,
      rope: { theta: 10000, scaling: { type: 'none' } },
      tiedEmbeddings: false,
      attentionBias: false,
      outputBias: false,
      mlpBias: false,
      qkNorm: false,
      slidingWindow: new Array(32).fill(undefined),
      hiddenActivation: 'silu',
      dtype: 'f16',
      bosTokenId: 1,
      eosTokenIds: [2],
    });
  });

  test('Llama 3.1: grouped queries, scaled RoPE, several end tokens', () => {
    expect(parse(llama31)).toMatchObject({
      numKvHeads: 8,
      maxPositions: 131072,
      rope: {
        theta: 500000,
        scaling: {
          type: 'llama3',
          factor: 8,
          lowFreqFactor: 1,
          highFreqFactor: 4,
          originalMaxPositions: 8192,
        },
      },
      eosTokenIds: [128001, 128008, 128009],
      dtype: 'bf16',
    });
  });

  test('Llama with biases has them on all four projections and in the MLP', () => {
    expect(parse({ ...llama31, attention_bias: true, mlp_bias: true })).toMatchObject({
      attentionBias: true,
      outputBias: true,
      mlpBias: true,
    });
  });

  test('Mistral slides in every layer, unless the window is null', () => {
    expect(parse(mistral1).slidingWindow).toEqual(new Array(32).fill(4096));
    expect(parse(without(mistral1, 'sliding_window')).slidingWindow[31]).toBe(4096);
    expect(parse({ ...mistral1, sliding_window: null }).slidingWindow[0]).toBeUndefined();
  });

  test('Qwen2 has biases on q, k, v alone, and slides from max_window_layers on when it is switched on', () => {
    expect(parse(qwen25)).toMatchObject({
      attentionBias: true,
      outputBias: false,
      mlpBias: false,
      tiedEmbeddings: true,
    });
    expect(new Set(parse(qwen25).slidingWindow)).toEqual(new Set([undefined]));
    const sliding = parse({ ...qwen25, use_sliding_window: true }).slidingWindow;
    expect(sliding.indexOf(32768)).toBe(21);
    expect(sliding.lastIndexOf(undefined)).toBe(20);
  });

  test('Qwen3 normalises q and k, and its heads are wider than hidden size / heads', () => {
    expect(parse(qwen3)).toMatchObject({
      qkNorm: true,
      headDim: 128,
      attentionBias: false,
      outputBias: false,
    });
    expect(parse(without(qwen3, 'head_dim')).headDim).toBe(128);
  });

  test('layer_types decides which layers slide', () => {
    const types = Array.from({ length: 24 }, (_, i) =>
      i % 6 === 5 ? 'full_attention' : 'sliding_attention',
    );
    const { slidingWindow } = parse({ ...qwen25, use_sliding_window: true, layer_types: types });
    expect(slidingWindow.slice(3, 7)).toEqual([32768, 32768, undefined, 32768]);
  });

  test('Mixtral: every layer has experts whose probabilities are normalised', () => {
    expect(parse(mixtral)).toMatchObject({
      architecture: 'mixtral',
      moe: { numExperts: 8, expertsPerToken: 2, expertIntermediateSize: 14336, normalizeTopK: true },
    });
    expect(parse(mixtral).moe?.sparseLayers).toEqual(new Array(32).fill(true));
    expect(parse(mixtral).moe).not.toHaveProperty('sharedExpertIntermediateSize');
  });

  test('Qwen2-MoE: experts and a shared one', () => {
    expect(parse(qwen15Moe)).toMatchObject({
      attentionBias: true,
      moe: {
        numExperts: 60,
        expertsPerToken: 4,
        expertIntermediateSize: 1408,
        sharedExpertIntermediateSize: 5632,
        normalizeTopK: false,
      },
    });
  });

  test('Qwen3-MoE: experts in every decoder_sparse_step-th layer that mlp_only_layers does not list', () => {
    expect(parse(qwen3Moe)).toMatchObject({ qkNorm: true, moe: { numExperts: 128, normalizeTopK: true } });
    const { moe } = parse({ ...qwen3Moe, decoder_sparse_step: 2, mlp_only_layers: [3] });
    expect(moe?.sparseLayers.slice(0, 6)).toEqual([false, true, false, false, false, true]);
  });
});

describe('spellings', () => {
  test('rope_parameters and dtype, as newer files have them, mean the same', () => {
    const { rope_scaling, rope_theta, torch_dtype, ...rest } = llama31;
    const newer = {
      ...rest,
      dtype: 'bfloat16',
      rope_parameters: { ...(rope_scaling as object), rope_theta },
    };
    expect(parse(newer)).toEqual(parse(llama31));
    expect(parse({ ...rest, rope_parameters: { rope_theta: 5e5 } }).rope).toEqual({
      theta: 5e5,
      scaling: { type: 'none' },
    });
  });

  test('the model type suffices where architectures is absent', () => {
    expect(parse(without(qwen3, 'architectures')).architecture).toBe('qwen3');
  });

  test('quantization_config is handed on as it is', () => {
    const quantization = { quant_method: 'gptq', bits: 4 };
    expect(parse({ ...llama1, quantization_config: quantization }).quantization).toEqual(quantization);
  });

  test('a dtype of auto says nothing', () => {
    expect(parse({ ...llama1, torch_dtype: 'auto' })).not.toHaveProperty('dtype');
  });
});

describe('what cannot be run is called unsupported', () => {
  test('an unknown architecture, with those that are known', () => {
    expectUnsupported({ architectures: ['GPT2LMHeadModel'] }, 'GPT2LMHeadModel', 'LlamaForCausalLM');
    expectUnsupported(
      { ...llama1, architectures: ['LlamaForSequenceClassification'] },
      'SequenceClassification',
    );
    expectUnsupported({ model_type: 'constructor' }, 'constructor');
    expectUnsupported({ architectures: [{ toString: 1 }] }, 'an object');
  });

  test('an activation other than silu', () =>
    expectUnsupported({ ...llama1, hidden_act: 'gelu' }, 'hidden_act', 'gelu'));

  test('an unknown dtype', () => {
    expectUnsupported({ ...llama1, torch_dtype: 'float8_e4m3fn' }, 'float8_e4m3fn');
    expectUnsupported({ ...llama1, torch_dtype: 'toString' }, 'toString');
  });

  test('an unknown kind of attention', () => {
    const types = new Array(24).fill('chunked_attention');
    expectUnsupported({ ...qwen25, layer_types: types }, 'layer_types.0', 'chunked_attention');
  });

  test('rotating only a part of each head', () => {
    expectUnsupported({ ...llama1, partial_rotary_factor: 0.5 }, 'partial_rotary_factor');
  });
});

describe('what makes no sense names file and field', () => {
  test('a missing field', () => {
    for (const field of [
      'vocab_size',
      'hidden_size',
      'intermediate_size',
      'num_hidden_layers',
      'num_attention_heads',
    ]) {
      expectBad(without(llama1, field), `"${field}" is missing`);
    }
    expectBad({}, 'architectures');
    expectBad(without(mixtral, 'num_local_experts'), 'num_local_experts');
    expectBad(without(qwen3Moe, 'moe_intermediate_size'), 'moe_intermediate_size');
  });

  test('sizes that are zero, negative, fractional, absurd or no numbers', () => {
    for (const value of [0, -1, 1.5, 1e300, '4096', true, [4096], { toString: 1 }]) {
      for (const field of ['hidden_size', 'num_hidden_layers', 'num_attention_heads', 'vocab_size']) {
        expectBad({ ...llama1, [field]: value }, `"${field}"`);
      }
    }
    expectBad({ ...llama1, num_hidden_layers: 1e9 }, 'num_hidden_layers', '1000000000');
    expectBad({ ...llama1, rms_norm_eps: 0 }, 'rms_norm_eps');
    expectBad({ ...llama1, eos_token_id: [2, -1] }, 'eos_token_id');
  });

  test('heads that do not fit together', () => {
    expectBad({ ...llama1, num_key_value_heads: 5 }, 'num_attention_heads', '32', 'num_key_value_heads', '5');
    expectBad({ ...llama1, num_attention_heads: 33 }, 'hidden_size', 'head_dim');
    expectBad({ ...llama1, head_dim: 127 }, 'head_dim', '127');
  });

  test('layer types that do not fit the layers', () => {
    expectBad({ ...qwen25, layer_types: ['full_attention'] }, 'layer_types', '1', '24');
    expectBad(
      { ...qwen25, layer_types: new Array(24).fill('sliding_attention') },
      'layer_types.0',
      'sliding_window',
    );
  });

  test('experts that do not fit together', () => {
    expectBad({ ...mixtral, num_experts_per_tok: 9 }, 'num_experts_per_tok', '9', '8');
    expectBad({ ...qwen3Moe, mlp_only_layers: [48] }, 'mlp_only_layers', '48');
  });
});

test('generation_config.json: one end token or several, and the sampling defaults', () => {
  const file = 'generation_config.json';
  expect(
    parseGenerationConfig({ eos_token_id: 7, do_sample: true, temperature: 0.6, top_k: 20 }, file),
  ).toEqual({
    eosTokenIds: [7],
    doSample: true,
    temperature: 0.6,
    topK: 20,
  });
  expect(parseGenerationConfig({ eos_token_id: [7, 8], top_p: null }, file)).toEqual({ eosTokenIds: [7, 8] });
  expectError(() => parseGenerationConfig({ top_p: 2 }, file), 'bad-config', file, 'top_p', '2');
});
