// One normalised description of a decoder, whatever family its config.json comes from.
// Everything the model is built from is here and consistent; it must not look at tensors.
import { AtomError } from '../errors.ts';
import { type Architecture, architectures, type Family, families } from './families.ts';
import { type HuggingFaceConfig, parseConfigFields } from './hugging-face-config.ts';
import { type JsonObject, quoted } from './json-file.ts';
import { type MoeConfig, parseMoe } from './moe-config.ts';
import { parseRope, type Rope } from './rope-scaling.ts';

export interface ModelConfig {
  readonly architecture: Architecture;
  readonly vocabSize: number;
  readonly hiddenSize: number;
  /** Channels inside a dense MLP; experts have their own size in `moe`. */
  readonly intermediateSize: number;
  readonly numLayers: number;
  readonly numHeads: number;
  readonly numKvHeads: number;
  readonly headDim: number;
  /** Longest context in tokens, RoPE scaling included. */
  readonly maxPositions: number;
  readonly rmsNormEps: number;
  readonly rope: Rope;
  /** Whether the output head is the embedding. */
  readonly tiedEmbeddings: boolean;
  /** Biases of q, k and v. */
  readonly attentionBias: boolean;
  /** Bias of the attention's output projection. */
  readonly outputBias: boolean;
  /** Biases of gate, up and down. */
  readonly mlpBias: boolean;
  /** Whether each head of q and k is RMS-normalised before RoPE. */
  readonly qkNorm: boolean;
  /** Per layer: a token sees this many positions, itself included; undefined sees all. */
  readonly slidingWindow: readonly (number | undefined)[];
  readonly moe?: MoeConfig;
  readonly hiddenActivation: 'silu';
  /** What the weights were saved as; the tensors decide. */
  readonly dtype?: 'f32' | 'f16' | 'bf16';
  readonly bosTokenId?: number;
  readonly eosTokenIds: readonly number[];
  /** quantization_config as the file has it. */
  readonly quantization?: JsonObject;
}

/**
 * Reads the parsed config.json `raw`; `file` names it in errors.
 * Throws `unsupported-model` for what this package cannot run, `bad-config` for what makes no sense.
 */
export function parseModelConfig(raw: JsonObject, file: string): ModelConfig {
  // The family first: an unknown model should be called that, not have a missing field.
  const architecture = findArchitecture(raw, file);
  const fields = parseConfigFields(raw, file);
  const family = families[architecture];

  const activation = fields.hidden_act ?? 'silu';
  if (activation !== 'silu' && activation !== 'swish') {
    throw new AtomError(
      'unsupported-model',
      `${file}: "hidden_act" ${quoted(activation)} is not supported, only "silu"`,
    );
  }
  const dtype = parseDtype(fields, file);
  const biases = family.biases(fields);
  const moe = parseMoe(fields, { file, kind: family.moe });
  const { rope, maxPositions } = parseRope(fields, {
    file,
    defaultTheta: family.ropeTheta,
    maxPositions: fields.max_position_embeddings ?? family.maxPositions,
  });
  return {
    architecture,
    vocabSize: fields.vocab_size,
    hiddenSize: fields.hidden_size,
    intermediateSize: fields.intermediate_size,
    numLayers: fields.num_hidden_layers,
    ...parseHeads(fields, family, file),
    maxPositions,
    rmsNormEps: fields.rms_norm_eps ?? family.rmsNormEps,
    rope,
    tiedEmbeddings: fields.tie_word_embeddings ?? false,
    attentionBias: biases.qkv,
    outputBias: biases.output,
    mlpBias: biases.mlp,
    qkNorm: family.qkNorm,
    slidingWindow: parseWindows(fields, family, file),
    ...(moe && { moe }),
    hiddenActivation: 'silu',
    ...(dtype && { dtype }),
    ...(fields.bos_token_id != null && { bosTokenId: fields.bos_token_id }),
    eosTokenIds: [fields.eos_token_id ?? []].flat(),
    ...(fields.quantization_config && { quantization: fields.quantization_config }),
  };
}

/** `architectures` names the class, `model_type` the family; the class decides, for one family has many heads. */
function findArchitecture(
  { architectures: classes, model_type: type }: JsonObject,
  file: string,
): Architecture {
  const className: unknown = Array.isArray(classes) ? classes[0] : undefined;
  const found = architectures.find((name) =>
    className === undefined ? name === type : families[name].className === className,
  );
  if (found !== undefined) return found;
  if (className === undefined && type === undefined) {
    throw new AtomError(
      'bad-config',
      `${file}: neither "architectures" nor "model_type" says what model this is`,
    );
  }
  const asked = className === undefined ? `model type ${quoted(type)}` : `architecture ${quoted(className)}`;
  const known = architectures.map((name) => families[name].className).join(', ');
  throw new AtomError('unsupported-model', `${file}: ${asked} is not supported; supported are ${known}`);
}

function parseHeads(
  fields: HuggingFaceConfig,
  family: Family,
  file: string,
): Pick<ModelConfig, 'numHeads' | 'numKvHeads' | 'headDim'> {
  const numHeads = fields.num_attention_heads;
  const absent = fields.num_key_value_heads === undefined ? family.numKvHeads : 'heads'; // null says "as many"
  const numKvHeads = fields.num_key_value_heads ?? (absent === 'heads' ? numHeads : absent);
  if (numHeads % numKvHeads !== 0) {
    throw new AtomError(
      'bad-config',
      `${file}: "num_attention_heads" ${numHeads} is not a multiple of "num_key_value_heads" ${numKvHeads}`,
    );
  }
  const headDim =
    fields.head_dim ?? (family.headDim === 'split' ? fields.hidden_size / numHeads : family.headDim);
  if (!Number.isInteger(headDim)) {
    throw new AtomError(
      'bad-config',
      `${file}: "hidden_size" ${fields.hidden_size} is not a multiple of "num_attention_heads" ${numHeads}, and "head_dim" is missing`,
    );
  }
  if (headDim % 2 !== 0) {
    throw new AtomError(
      'bad-config',
      `${file}: "head_dim" ${headDim} is odd, but RoPE turns pairs of channels`,
    );
  }
  return { numHeads, numKvHeads, headDim };
}

function parseWindows(fields: HuggingFaceConfig, family: Family, file: string): (number | undefined)[] {
  const window = family.window(fields) || undefined; // 0 means none
  const types = fields.layer_types;
  if (types != null && types.length !== fields.num_hidden_layers) {
    throw new AtomError(
      'bad-config',
      `${file}: "layer_types" has ${types.length} entries, but there are ${fields.num_hidden_layers} layers`,
    );
  }
  return Array.from({ length: fields.num_hidden_layers }, (_, layer) => {
    const type = types?.[layer];
    if (type === undefined) return family.slides(fields, layer) ? window : undefined;
    if (type === 'full_attention') return undefined;
    if (type !== 'sliding_attention') {
      throw new AtomError(
        'unsupported-model',
        `${file}: "layer_types.${layer}" ${quoted(type)} is not supported`,
      );
    }
    if (window === undefined) {
      throw new AtomError(
        'bad-config',
        `${file}: "layer_types.${layer}" slides, but no "sliding_window" is set`,
      );
    }
    return window;
  });
}

const dtypes = { float32: 'f32', float16: 'f16', bfloat16: 'bf16' } as const;

function parseDtype({ dtype, torch_dtype }: HuggingFaceConfig, file: string): ModelConfig['dtype'] {
  const name = (dtype ?? torch_dtype)?.replace(/^torch\./, '');
  if (name === undefined || name === 'auto') return undefined;
  if (Object.hasOwn(dtypes, name)) return dtypes[name as keyof typeof dtypes];
  throw new AtomError(
    'unsupported-model',
    `${file}: "dtype" ${quoted(name)} is not supported; supported are ${Object.keys(dtypes).join(', ')}`,
  );
}
