// Rotary position embedding as a checkpoint configures it: the base and how it is stretched to longer contexts.
// It resolves spellings and defaults only; the frequencies are computed where the model is built.
// Parameters as in Hugging Face's modeling_rope_utils; YaRN is Peng et al., 2023.
import { AtomError } from '../errors.ts';
import type { HuggingFaceConfig, HuggingFaceRope } from './hugging-face-config.ts';
import { quoted } from './json-file.ts';

export type RopeScaling =
  | { readonly type: 'none' }
  /** Positions divided by factor. */
  | { readonly type: 'linear'; readonly factor: number }
  /** The base grows with the length once it exceeds originalMaxPositions ("dynamic NTK"). */
  | { readonly type: 'dynamic'; readonly factor: number; readonly originalMaxPositions: number }
  | {
      readonly type: 'yarn';
      readonly factor: number;
      readonly originalMaxPositions: number;
      /** Multiplies cos and sin; resolved from attention_factor, or mscale and mscale_all_dim, or factor. */
      readonly attentionFactor: number;
      readonly betaFast: number;
      readonly betaSlow: number;
      /** Whether the ramp's ends are rounded to whole dimensions. */
      readonly truncate: boolean;
    }
  | {
      readonly type: 'llama3';
      readonly factor: number;
      readonly lowFreqFactor: number;
      readonly highFreqFactor: number;
      readonly originalMaxPositions: number;
    };

export interface Rope {
  readonly theta: number;
  readonly scaling: RopeScaling;
}

/**
 * The rotary embedding of a config, and the longest context it serves: max_position_embeddings, stretched by scalings
 * that configs state beside the unscaled length.
 * Throws `unsupported-model` for an unknown type, `bad-config` for missing or contradictory parameters.
 */
export function parseRope(
  config: HuggingFaceConfig,
  { file, defaultTheta, maxPositions }: { file: string; defaultTheta: number; maxPositions: number },
): { rope: Rope; maxPositions: number } {
  // rope_parameters is the newer spelling and holds theta as well.
  const section = config.rope_parameters != null ? 'rope_parameters' : 'rope_scaling';
  const fields = config.rope_parameters ?? config.rope_scaling ?? { rope_type: 'default' };
  const fraction = fields.partial_rotary_factor ?? config.partial_rotary_factor ?? 1;
  if (fraction !== 1) {
    throw new AtomError(
      'unsupported-model',
      `${file}: partial_rotary_factor ${fraction} is not supported, only 1`,
    );
  }
  const scaling = parseScaling(fields, { file, section, maxPositions });
  return {
    rope: { theta: fields.rope_theta ?? config.rope_theta ?? defaultTheta, scaling },
    maxPositions: stretched(maxPositions, scaling),
  };
}

type RequiredField = 'factor' | 'low_freq_factor' | 'high_freq_factor' | 'original_max_position_embeddings';

function parseScaling(
  fields: HuggingFaceRope,
  { file, section, maxPositions }: { file: string; section: string; maxPositions: number },
): RopeScaling {
  const type = scalingType(fields, { file, section });
  const needed = (field: RequiredField): number => {
    const value = fields[field];
    if (value == null) {
      throw new AtomError(
        'bad-config',
        `${file}: "${section}.${field}" is missing, and type ${type} needs it`,
      );
    }
    return value;
  };
  const original = fields.original_max_position_embeddings ?? maxPositions;

  switch (type) {
    case 'default':
      return { type: 'none' };
    case 'linear':
      return { type, factor: needed('factor') };
    case 'dynamic':
      return { type, factor: needed('factor'), originalMaxPositions: original };
    case 'yarn': {
      const factor = fields.factor ?? maxPositions / original;
      if (factor < 1) {
        throw new AtomError(
          'bad-config',
          `${file}: "${section}.original_max_position_embeddings" ${original} is more than the ${maxPositions} positions`,
        );
      }
      const betaFast = fields.beta_fast ?? 32;
      const betaSlow = fields.beta_slow ?? 1;
      if (betaFast <= betaSlow) {
        throw new AtomError('bad-config', `${file}: "${section}.beta_fast" must be above beta_slow`);
      }
      return {
        type,
        factor,
        originalMaxPositions: original,
        attentionFactor: yarnAttentionFactor(fields, factor),
        betaFast,
        betaSlow,
        truncate: fields.truncate ?? true,
      };
    }
    case 'llama3': {
      const lowFreqFactor = needed('low_freq_factor');
      const highFreqFactor = needed('high_freq_factor');
      if (highFreqFactor <= lowFreqFactor) {
        throw new AtomError(
          'bad-config',
          `${file}: "${section}.high_freq_factor" must be above low_freq_factor`,
        );
      }
      return {
        type,
        factor: needed('factor'),
        lowFreqFactor,
        highFreqFactor,
        originalMaxPositions: needed('original_max_position_embeddings'),
      };
    }
    default:
      throw new AtomError(
        'unsupported-model',
        `${file}: "${section}" asks for RoPE type ${quoted(type)}; known are default, linear, dynamic, yarn, llama3`,
      );
  }
}

function scalingType(
  { rope_type: newer, type: older }: HuggingFaceRope,
  { file, section }: { file: string; section: string },
): string {
  if (newer != null && older != null && newer !== older) {
    throw new AtomError(
      'bad-config',
      `${file}: "${section}" has rope_type ${quoted(newer)} but type ${quoted(older)}`,
    );
  }
  const type = newer ?? older;
  if (type != null) return type;
  // The newer spelling may state a base alone.
  if (section === 'rope_parameters') return 'default';
  throw new AtomError('bad-config', `${file}: "rope_scaling.rope_type" is missing`);
}

/** The temperature correction of YaRN, section 3.4; the two-scale form is DeepSeek's. */
function yarnAttentionFactor(fields: HuggingFaceRope, factor: number): number {
  const scale = (weight: number): number => (factor <= 1 ? 1 : 0.1 * weight * Math.log(factor) + 1);
  if (fields.attention_factor != null) return fields.attention_factor;
  return fields.mscale && fields.mscale_all_dim
    ? scale(fields.mscale) / scale(fields.mscale_all_dim)
    : scale(1);
}

/** Linear, dynamic and YaRN configs may keep the length before scaling; Llama 3 states the one after. */
function stretched(maxPositions: number, scaling: RopeScaling): number {
  switch (scaling.type) {
    case 'none':
    case 'llama3':
      return maxPositions;
    case 'linear':
      return Math.floor(maxPositions * scaling.factor);
    case 'dynamic':
    case 'yarn':
      return Math.max(maxPositions, Math.floor(scaling.originalMaxPositions * scaling.factor));
    default:
      return scaling satisfies never;
  }
}
