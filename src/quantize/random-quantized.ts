// Quantized checkpoints of random codes and scales, for benches and tests where only sizes matter: the tensors a recipe
// would give, without anything to quantize. It must not be mistaken for a quantizer: the model says nothing.
import { join } from 'node:path';
import { writeTextFile } from '../checkpoint/atomic-file.ts';
import { expectedTensors } from '../checkpoint/expected-tensors.ts';
import type { JsonObject } from '../checkpoint/json-file.ts';
import { type ModelConfig, parseModelConfig } from '../checkpoint/model-config.ts';
import { Noise } from '../checkpoint/noise.ts';
import { parseQuantization } from '../checkpoint/quantization.ts';
import type { SafetensorsWriter, TensorSpec } from '../checkpoint/safetensors-writer.ts';
import { ShardWriter } from '../checkpoint/shard-writer.ts';
import type { TensorStore } from '../checkpoint/tensor-store.ts';
import { AtomError } from '../errors.ts';
import { encodeFp16 } from '../numerics/half-floats.ts';
import { layerTensors } from './pack-layer.ts';
import { fitted } from './presets.ts';
import { quantizationFields } from './quantization-fields.ts';
import { bitsOf, type Recipe } from './recipe.ts';

export interface RandomQuantizedOptions {
  /** config.json of a plain model. */
  readonly config: JsonObject;
  /** Weights in INT4, INT8 or plain; groups and outliers are fitted to the model. */
  readonly recipe: Recipe;
  readonly toolVersion: string;
  readonly seed?: number;
}

/**
 * Writes config.json and a shard per layer to `dir`; equal options give equal bytes. Weights have about variance
 * 1 / hidden. Throws `bad-option` for recipes of other number formats, `bad-config`, `io`.
 */
export function writeRandomQuantized(
  dir: string,
  { config: raw, recipe: asked, toolVersion, seed = 0 }: RandomQuantizedOptions,
): TensorStore {
  const file = join(dir, 'config.json');
  const turned = asked.transforms.rotateResidual;
  const plain = { ...raw, ...(turned && { tie_word_embeddings: false }) };
  const config = parseModelConfig(plain, file);
  const recipe = fitted(asked, config);
  requireIntegers(recipe);
  const fields = quantizationFields({ config, recipe, toolVersion, parameters: { random: true, seed } });
  const quantization = parseQuantization(fields, { file, config });

  const shards = new ShardWriter(dir, { numShards: config.numLayers + 1 });
  const noise = new Noise(seed);
  const write = (shard: number, specs: readonly TensorSpec[]) => {
    using writer = shards.begin(shard, specs);
    for (const spec of specs) writeRandom(writer, spec, { noise, recipe, config });
    writer.commit();
  };
  write(0, restOf(config));
  for (let index = 0; index < config.numLayers; index++) {
    write(index + 1, layerTensors(config, { index, quantization, recipe }));
  }
  writeTextFile(file, `${JSON.stringify({ ...plain, quantization_config: fields }, undefined, 2)}\n`);
  return shards.commit();
}

/** Embedding, final norm and head. */
function restOf(config: ModelConfig): TensorSpec[] {
  return [...expectedTensors(config)]
    .filter(({ name }) => !name.startsWith('model.layers.'))
    .map(({ name, shape, role }) => ({ name, shape, dtype: role === 'norm' ? 'F32' : 'BF16' }));
}

/** Every byte is a code of INT8, or two of INT4. */
function requireIntegers({ name, weight, outliers }: Recipe): void {
  const known = ['int4', 'int8', 'none'].includes(weight.format);
  if (known && (outliers.channels === 0 || outliers.format === 'int8')) return;
  throw new AtomError(
    'bad-option',
    `random checkpoints are written in INT4 and INT8, and ${name} asks for others`,
  );
}

function writeRandom(
  writer: SafetensorsWriter,
  { name, dtype, shape }: TensorSpec,
  { noise, recipe, config }: { noise: Noise; recipe: Recipe; config: ModelConfig },
): void {
  const size = shape.reduce((product, extent) => product * extent, 1);
  const codes = () => noise.bytes(size);
  const scales = (bits: number) => {
    // Codes of b bits, all as likely, have a deviation of 2^b / sqrt(12).
    const mean = Math.sqrt(12) / 2 ** bits / Math.sqrt(config.hiddenSize);
    const values = noise.around(mean, size);
    return [dtype === 'F16' ? Uint16Array.from(values, encodeFp16) : values];
  };
  const values = (): Iterable<ArrayBufferView> => {
    switch (name.slice(name.lastIndexOf('.') + 1)) {
      case 'weight_packed':
      case 'outlier_weight':
        return codes();
      case 'weight_scale':
        return scales(bitsOf(recipe.weight.format));
      case 'outlier_scale':
        return scales(8);
      case 'reorder_index':
        return [noise.permutation(size)];
      case 'bias':
        return [new Float32Array(size)];
      default:
        if (dtype === 'F32') return [new Float32Array(size).fill(1)]; // a norm
        return noise.draw(size, Math.round(Math.log2(config.hiddenSize) / 2));
    }
  };
  for (const piece of values()) writer.write(name, piece);
}
