// The `quantization_config` of an Atom checkpoint, field by field as config.json spells it. Unknown fields are errors:
// a misspelt one must not silently change what a checkpoint means.
// What the fields come to for one linear or one layer's cache, and whether they fit the model, is for quantization.ts.
import { z } from 'zod';

export const QUANT_METHOD = 'atom';
export const FORMAT_VERSION = 1;

/** 'none': kept in 16 bits, as a plain checkpoint has it. */
const formats = ['none', 'int2', 'int3', 'int4', 'int8', 'fp4', 'mxfp4', 'nvfp4', 'e4m3', 'e5m2'] as const;
const ranges = ['symmetric', 'signed', 'asymmetric'] as const;
const outlierFormats = ['fp16', 'int8', 'e4m3', 'e5m2'] as const;

export type QuantizedFormat = (typeof formats)[number];
export type IntegerRange = (typeof ranges)[number];
export type OutlierFormat = (typeof outlierFormats)[number];

/** Channels per group; 0 makes one group of all normal channels. */
const groupSize = z.int().min(0);

const weightSchema = z.strictObject({
  format: z.enum(formats),
  group_size: groupSize,
  /** Adjacent output channels that share a scale. */
  channel_group: z.int().min(1),
});

const activationSchema = z.strictObject({
  format: z.enum(formats),
  group_size: groupSize,
  /** What integer codes span: the peak both ways, the same with scales of either sign, or lowest to highest value. */
  range: z.enum(ranges),
  /** Share of the largest magnitude that the codes cover; more than 1 leaves the largest codes of integers unused. */
  clip: z.number().gt(0).max(2),
  /** Each group of normal channels goes through a Hadamard transform before it is quantized; the weights match. */
  hadamard: z.boolean(),
});

/** The last channels after reordering, in weights and activations alike. */
const outlierSchema = z.strictObject({
  channels: z.int().min(0),
  format: z.enum(outlierFormats),
});

const kvBits = z.literal([2, 3, 4, 8, 16]);

const kvSchema = z.strictObject({
  key_bits: kvBits,
  value_bits: kvBits,
  /** Whether keys are quantized before the rotation. */
  key_before_rope: z.boolean(),
  /** Each head's queries and keys go through a Hadamard transform after the rotation, before keys are quantized. */
  key_hadamard: z.boolean(),
  clip: z.number().gt(0).max(1),
});

/**
 * Where the channel order of an input is: 'identity', there is none; 'stored', in `<input>.reorder_index`, applied by the
 * operator that produces the input; 'folded', already in the rows of the linears before, so that nothing is left to do.
 */
const order = z.enum(['identity', 'stored', 'folded']);

const overrideSchema = z.strictObject({
  weight: weightSchema.exactPartial().optional(),
  activation: activationSchema.exactPartial().optional(),
  outlier: outlierSchema.exactPartial().optional(),
  kv_cache: kvSchema.exactPartial().optional(),
});

export const quantizationSchema = z.strictObject({
  quant_method: z.literal(QUANT_METHOD),
  format_version: z.literal(FORMAT_VERSION),
  /** Version of this package that wrote the checkpoint. */
  tool_version: z.string(),
  /** For people and for repetition: the method, its preset, every parameter of the run. Nothing here affects inference. */
  method: z.string(),
  preset: z.string().optional(),
  parameters: z.record(z.string(), z.unknown()).optional(),
  /** What the statistics were taken from; absent for methods that need none. */
  calibration: z
    .strictObject({ fingerprint: z.string(), samples: z.int().min(1), sequence_length: z.int().min(1) })
    .optional(),
  /** Every linear but lm_head, which stays in 16 bits unless overridden. */
  linears: z.strictObject({ weight: weightSchema, activation: activationSchema, outlier: outlierSchema }),
  kv_cache: kvSchema,
  input_order: z.strictObject({
    qkv_input: order,
    o_input: order,
    gate_up_input: order,
    down_input: order,
    lm_head_input: order,
  }),
  /**
   * What differs, by module path: "model.layers.3" for a whole layer, "model.layers.3.mlp.down_proj" for one linear,
   * "lm_head". Longer paths win. Caches belong to "model.layers.N" or "model.layers.N.self_attn".
   */
  overrides: z.record(z.string(), overrideSchema).optional(),
});

/** The object as config.json holds it. */
export type QuantizationConfig = z.infer<typeof quantizationSchema>;
export type KvBits = z.infer<typeof kvBits>;
export type InputOrder = z.infer<typeof order>;
/** What differs for one module path. */
export type QuantizationOverride = z.infer<typeof overrideSchema>;
