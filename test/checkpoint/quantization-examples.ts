// A small Llama and a quantization_config as `atom quantize` writes it, for the tests of both.
import type { QuantizationConfig } from '../../src/checkpoint/quantization-config.ts';
import { llama1 } from './hugging-face-configs.ts';

/** hidden 64, 2 layers, 4 heads of 16 with 2 for keys, MLP 96. */
export const smallLlama = {
  ...llama1,
  vocab_size: 32,
  hidden_size: 64,
  intermediate_size: 96,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
};

/** W4A4KV4 in groups of 16 with 16 INT8 outliers, two output channels to a scale. */
export const w4a4: QuantizationConfig = {
  quant_method: 'atom',
  format_version: 1,
  tool_version: '0.1.0',
  method: 'atom',
  preset: 'atom-paper',
  parameters: { seed: 0, weight_clip: 0.85 },
  calibration: { fingerprint: 'sha256:00', samples: 64, sequence_length: 256 },
  linears: {
    weight: { format: 'int4', group_size: 16, channel_group: 2 },
    activation: { format: 'int4', group_size: 16, range: 'symmetric', clip: 0.9, hadamard: false },
    outlier: { channels: 16, format: 'int8' },
  },
  kv_cache: { key_bits: 4, value_bits: 4, key_before_rope: false, key_hadamard: false, clip: 1 },
  input_order: {
    qkv_input: 'stored',
    o_input: 'stored',
    gate_up_input: 'stored',
    down_input: 'folded',
    lm_head_input: 'identity',
  },
};

/** `w4a4` with other overrides. */
export const overridden = (overrides: QuantizationConfig['overrides']): QuantizationConfig => ({
  ...w4a4,
  ...(overrides && { overrides }),
});
