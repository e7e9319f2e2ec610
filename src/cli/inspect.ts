// `atom inspect`: what is in a checkpoint, and what memory serving it takes. Reads headers only.
import { Command } from 'commander';
import type { ModelConfig } from '../checkpoint/model-config.ts';
import { openCheckpoint } from '../checkpoint/open-checkpoint.ts';
import type { StoredTensor } from '../checkpoint/safetensors-header.ts';
import { positiveInteger } from './option-types.ts';
import { parameterCount, type QuantizationSummary, quantizationSummary } from './quantization-summary.ts';
import { resolveModel } from './resolve-model.ts';
import { jsonOption } from './shared-options.ts';
import { bytesOf } from './sizes.ts';

interface Options {
  readonly batch: number;
  readonly context?: number;
  readonly json?: boolean;
}

export function inspectCommand(): Command {
  return new Command('inspect')
    .description('say what is in a checkpoint and what memory it needs')
    .argument('<model>', 'folder of a checkpoint, or its id on the Hub')
    .option('--batch <n>', 'sequences at a time', positiveInteger, 16)
    .option(
      '--context <tokens>',
      "tokens of each (default: the model's context, at most 4096)",
      positiveInteger,
    )
    .addOption(jsonOption())
    .action(inspect);
}

export interface Inspection {
  readonly model: string;
  readonly config: ModelConfig;
  readonly files: readonly { readonly path: string; readonly bytes: number }[];
  readonly tensors: number;
  readonly parameters: number;
  readonly quantization?: QuantizationSummary;
  readonly bytes: number;
  readonly dtypes: Readonly<Record<string, number>>;
  readonly memory: {
    readonly batch: number;
    readonly context: number;
    readonly weightBytes: number;
    readonly kvBytesPerToken: Readonly<Record<'16' | '8' | '4', number>>;
    readonly kvBytes: Readonly<Record<'16' | '8' | '4', number>>;
  };
}

export function inspectModel(
  path: string,
  options: { batch: number; context?: number | undefined },
): Inspection {
  const { config, tensors, quantization } = openCheckpoint(path);
  const stored = [...tensors.tensors.values()];
  const context = Math.min(options.context ?? 4096, config.maxPositions);
  const perToken = (bits: number) => kvBytesPerToken(config, bits);
  const whole = (bits: number) => perToken(bits) * context * options.batch;
  return {
    model: path,
    config,
    files: tensors.files.map(({ path: file, byteLength }) => ({ path: file, bytes: byteLength })),
    tensors: stored.length,
    parameters: parameterCount(config),
    ...(quantization && { quantization: quantizationSummary(config, quantization) }),
    bytes: stored.reduce((sum, tensor) => sum + sizeOf(tensor), 0),
    dtypes: countDtypes(stored),
    memory: {
      batch: options.batch,
      context,
      weightBytes: stored.reduce((sum, tensor) => sum + sizeOf(tensor), 0),
      kvBytesPerToken: { '16': perToken(16), '8': perToken(8), '4': perToken(4) },
      kvBytes: { '16': whole(16), '8': whole(8), '4': whole(4) },
    },
  };
}

const sizeOf = ({ begin, end }: StoredTensor) => end - begin;

function countDtypes(tensors: readonly StoredTensor[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { dtype, shape } of tensors)
    counts[dtype] = (counts[dtype] ?? 0) + shape.reduce((a, b) => a * b, 1);
  return counts;
}

/** Keys and values of one token in all layers; below 16 bits each head's vector has a scale (f32) and a zero (u8). */
function kvBytesPerToken({ numLayers, numKvHeads, headDim }: ModelConfig, bits: number): number {
  const vector = (headDim * bits) / 8 + (bits < 16 ? 5 : 0);
  return 2 * numLayers * numKvHeads * vector;
}

async function inspect(model: string, options: Options): Promise<void> {
  const inspection = inspectModel(await resolveModel(model), options);
  if (options.json) {
    console.log(JSON.stringify(inspection));
    return;
  }
  const { config, memory } = inspection;
  const rows: [string, string][] = [
    ['architecture', config.architecture],
    ['parameters', `${(inspection.parameters / 1e6).toFixed(1)} M in ${inspection.tensors} tensors`],
    [
      'size',
      `${bytesOf(inspection.bytes)} in ${inspection.files.length} file${inspection.files.length === 1 ? '' : 's'} (${Object.keys(inspection.dtypes).join(', ')})`,
    ],
    ...(inspection.quantization?.lines.map(([name, value]): [string, string] => [name, value]) ?? []),
    ['layers', `${config.numLayers}, hidden ${config.hiddenSize}, FFN ${config.intermediateSize}`],
    ['heads', `${config.numHeads} of ${config.headDim}, ${config.numKvHeads} for keys and values`],
    ['vocabulary', `${config.vocabSize}${config.tiedEmbeddings ? ', output tied to the embedding' : ''}`],
    [
      'context',
      `${config.maxPositions} tokens, RoPE base ${config.rope.theta}${config.rope.scaling.type === 'none' ? '' : `, ${config.rope.scaling.type} scaling`}`,
    ],
    [
      'cache',
      `${bytesOf(memory.kvBytesPerToken['16'])} a token in 16 bits, ${bytesOf(memory.kvBytesPerToken['4'])} in 4`,
    ],
    [
      'memory',
      `${memory.batch} sequences of ${memory.context}: weights ${bytesOf(memory.weightBytes)}, cache ${bytesOf(memory.kvBytes['16'])} in 16 bits, ${bytesOf(memory.kvBytes['4'])} in 4`,
    ],
  ];
  for (const [name, value] of rows) console.log(`${name.padEnd(13)} ${value}`);
}
