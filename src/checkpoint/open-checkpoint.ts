// Opens a Hugging Face folder: config, sampling defaults, and where every tensor lies; all checked against each other,
// so that a model built from the result finds everything it needs. Reads headers only; it must not load weights.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { AtomError } from '../errors.ts';
import { expectedTensors } from './expected-tensors.ts';
import { type GenerationConfig, parseGenerationConfig } from './generation-config.ts';
import { quoted, readJsonObject } from './json-file.ts';
import { type ModelConfig, parseModelConfig } from './model-config.ts';
import { parseQuantization, type Quantization } from './quantization.ts';
import { plainDtypes, quantizedTensors, readReorderIndex, type TensorDemand } from './quantized-tensors.ts';
import { INDEX_FILE, openTensors, SINGLE_FILE, type TensorStore } from './tensor-store.ts';

export interface Checkpoint {
  readonly dir: string;
  readonly config: ModelConfig;
  readonly generation: GenerationConfig;
  /** Holds every tensor the config asks for, and perhaps more. */
  readonly tensors: TensorStore;
  /** Present for an Atom checkpoint: its linears are then stored as quantized-tensors.ts says. */
  readonly quantization?: Quantization;
}

/**
 * Throws `not-a-model` for a folder that is none, `bad-config` or `unsupported-model` for its config.json,
 * `bad-safetensors` for damaged files, `missing-tensor` and `bad-shape` where the tensors do not fit the config,
 * `bad-quantization-config` where a quantized checkpoint contradicts itself.
 */
export function openCheckpoint(dir: string): Checkpoint {
  checkFolder(dir);
  const { config, generation } = readConfig(dir);
  const tensors = openTensors(dir);
  const file = join(dir, 'config.json');
  const raw = config.quantization;
  const quantization = raw && parseQuantization(raw, { file, config });
  for (const { name, shape, role } of expectedTensors(config)) {
    if (role === 'linear' && quantization !== undefined) continue;
    checkNotPacked(tensors, { name, file });
    checkTensor(tensors, { name, shape, dtypes: plainDtypes });
  }
  if (quantization === undefined) return { dir, config, generation, tensors };

  for (const demand of quantizedTensors(config, quantization)) {
    checkTensor(tensors, demand);
    if (demand.name.endsWith('.reorder_index')) readReorderIndex(tensors, demand.name);
  }
  return { dir, config, generation, tensors, quantization };
}

/** The configuration alone, without the weights. Token ids of generation_config.json win over config.json's. */
export function readConfig(dir: string): { config: ModelConfig; generation: GenerationConfig } {
  const file = join(dir, 'config.json');
  const config = parseModelConfig(readJsonObject(file, 'bad-config'), file);

  const generationFile = join(dir, 'generation_config.json');
  const generation = existsSync(generationFile)
    ? parseGenerationConfig(readJsonObject(generationFile, 'bad-config'), generationFile)
    : {};
  const { bosTokenId, eosTokenIds } = generation;
  return {
    config: {
      ...config,
      ...(bosTokenId !== undefined && { bosTokenId }),
      ...(eosTokenIds !== undefined && { eosTokenIds }),
    },
    generation,
  };
}

/** Says what is missing, and what to do about the formats that people try. */
function checkFolder(dir: string): void {
  const stat = statSync(dir, { throwIfNoEntry: false });
  if (stat === undefined) throw new AtomError('not-a-model', `${dir} does not exist`);
  if (!stat.isDirectory()) {
    throw new AtomError(
      'not-a-model',
      `${dir} is a file; a model is a folder with config.json and ${SINGLE_FILE}`,
    );
  }
  const names = readdirSync(dir);
  const hasWeights = names.includes(SINGLE_FILE) || names.includes(INDEX_FILE);
  if (names.includes('config.json') && hasWeights) return;

  const missing = [
    ...(names.includes('config.json') ? [] : ['config.json']),
    ...(hasWeights ? [] : [`${SINGLE_FILE} or ${INDEX_FILE}`]),
  ];
  const other = names.find((name) => /\.(bin|pth?|gguf|ggml|onnx)$/.test(name));
  const advice =
    other === undefined ? '' : `; ${other} is of another format: convert it to safetensors first`;
  throw new AtomError(
    'not-a-model',
    `${dir} is not a model: looked for ${missing.join(' and for ')}${advice}`,
  );
}

function checkTensor(tensors: TensorStore, demand: TensorDemand): void {
  const { name, dtype, shape, file } = tensors.get(demand.name);
  if (shape.length !== demand.shape.length || shape.some((extent, i) => extent !== demand.shape[i])) {
    throw new AtomError(
      'bad-shape',
      `${file}: tensor ${quoted(name)} has shape [${shape.join(', ')}], but config.json asks for [${demand.shape.join(', ')}]`,
    );
  }
  if (!demand.dtypes.includes(dtype)) {
    throw new AtomError(
      'bad-shape',
      `${file}: tensor ${quoted(name)} has dtype ${dtype}, but config.json asks for ${demand.dtypes.join(' or ')}`,
    );
  }
}

/** A quantized checkpoint whose config lost its quantization_config should be called that, not have a missing tensor. */
function checkNotPacked(tensors: TensorStore, { name, file }: { name: string; file: string }): void {
  if (tensors.has(name) || !tensors.has(`${name}_packed`)) return;
  throw new AtomError(
    'bad-quantization-config',
    `${file}: "quantization_config" is missing, but tensor ${quoted(`${name}_packed`)} is quantized`,
  );
}
