// The quantization_config that a recipe comes to: what the checkpoint says of itself, and what reads it goes by.
import type { ElementFormat } from '../backend/formats.ts';
import type { ModelConfig } from '../checkpoint/model-config.ts';
import {
  FORMAT_VERSION,
  type OutlierFormat,
  QUANT_METHOD,
  type QuantizationConfig,
  type QuantizationOverride,
  type QuantizedFormat,
} from '../checkpoint/quantization-config.ts';
import { AtomError } from '../errors.ts';
import { decoderLinears } from '../model/decoder-linears.ts';
import type { Precision } from './precision.ts';
import { linearInputs } from './profile.ts';
import { activationQuantizer } from './quantize-matrix.ts';
import { groupSizeOf, type Recipe } from './recipe.ts';

export interface FieldsOptions {
  readonly config: ModelConfig;
  readonly recipe: Recipe;
  readonly precision?: Precision | undefined;
  readonly toolVersion: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  /** Absent where nothing was calibrated. */
  readonly calibration?: {
    readonly fingerprint: string;
    readonly samples: number;
    readonly sequenceLength: number;
  };
}

export function quantizationFields(options: FieldsOptions): QuantizationConfig {
  const { recipe, toolVersion, parameters, calibration } = options;
  const { outliers, transforms, kv } = recipe;
  const order = outliers.channels > 0 ? 'stored' : 'identity';
  const streamOrder = transforms.rotateResidual ? 'identity' : order;
  const overrides = overridesOf(options);
  return {
    quant_method: QUANT_METHOD,
    format_version: FORMAT_VERSION,
    tool_version: toolVersion,
    method: recipe.rounding,
    preset: recipe.name,
    parameters,
    ...(calibration && {
      calibration: {
        fingerprint: calibration.fingerprint,
        samples: calibration.samples,
        sequence_length: calibration.sequenceLength,
      },
    }),
    linears: {
      weight: weightFields(recipe, recipe.weight.format),
      activation: activationFields(recipe, recipe.activation.format),
      outlier: { channels: outliers.channels, format: outliers.format as OutlierFormat },
    },
    kv_cache: {
      key_bits: kv.keyBits,
      value_bits: kv.valueBits,
      key_before_rope: kv.keyBeforeRope,
      key_hadamard: kv.keyHadamard,
      clip: kv.clip,
    },
    input_order: {
      qkv_input: streamOrder,
      o_input: order,
      gate_up_input: streamOrder,
      down_input: order === 'stored' ? 'folded' : order,
      lm_head_input: 'identity',
    },
    ...(Object.keys(overrides).length > 0 && { overrides }),
  };
}

/** The Hadamard transform of down's input, and formats that differ from the recipe's. */
function overridesOf({ config, recipe, precision }: FieldsOptions): Record<string, QuantizationOverride> {
  const overrides: Record<string, QuantizationOverride> = {};
  for (let layer = 0; layer < config.numLayers; layer++) {
    const linears = decoderLinears(config, layer);
    for (const input of linearInputs) {
      const formats = precision?.[layer]?.[input];
      const hadamard = activationQuantizer(recipe, input).hadamard ?? false;
      const differs =
        formats !== undefined &&
        (formats.weight !== recipe.weight.format || formats.activation !== recipe.activation.format);
      if (!differs && !hadamard) continue;
      for (const { name } of linears[input]) {
        overrides[name] = {
          ...(differs && { weight: weightFields(recipe, formats.weight) }),
          activation: {
            ...(differs && activationFields(recipe, formats.activation)),
            ...(hadamard && { hadamard }),
          },
        };
      }
    }
  }
  return overrides;
}

function weightFields({ weight }: Recipe, format: ElementFormat): QuantizationConfig['linears']['weight'] {
  return {
    format: storedFormat(format),
    group_size: groupSizeOf(format, weight.groupSize, 0),
    channel_group: weight.channelGroup,
  };
}

function activationFields(
  { activation }: Recipe,
  format: ElementFormat,
): QuantizationConfig['linears']['activation'] {
  return {
    format: storedFormat(format),
    group_size: groupSizeOf(format, activation.groupSize, 0),
    range: activation.range,
    clip: activation.clip,
    hadamard: false,
  };
}

function storedFormat(format: ElementFormat): QuantizedFormat {
  if (format !== 'fp16') return format;
  throw new AtomError(
    'bad-option',
    'weights and activations are kept in 16 bits by the format none, not by fp16',
  );
}
