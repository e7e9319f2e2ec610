// Quantizes into a folder: one shard per layer, written when the layer is done, so that memory stays bounded by a layer
// and a run that was killed goes on behind the last one. The index comes last; before it nobody opens the folder.
import { copyFileSync, existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Tensor } from '../backend/tensor.ts';
import { writeTextFile } from '../checkpoint/atomic-file.ts';
import { EMBEDDING, FINAL_NORM, LM_HEAD } from '../checkpoint/expected-tensors.ts';
import { readJsonObject } from '../checkpoint/json-file.ts';
import type { ModelConfig } from '../checkpoint/model-config.ts';
import type { Checkpoint } from '../checkpoint/open-checkpoint.ts';
import { parseQuantization, type Quantization } from '../checkpoint/quantization.ts';
import { openSafetensors } from '../checkpoint/safetensors-reader.ts';
import type { TensorSpec } from '../checkpoint/safetensors-writer.ts';
import { ShardWriter } from '../checkpoint/shard-writer.ts';
import { INDEX_FILE, TensorStore } from '../checkpoint/tensor-store.ts';
import { AtomError } from '../errors.ts';
import { encodeBf16All } from '../numerics/half-floats.ts';
import { LayerLog, type LoggedLayer } from './layer-log.ts';
import { layerTensors, packLayer, restoreLayer } from './pack-layer.ts';
import { type Profile, shownLayers } from './profile.ts';
import { quantizationFields } from './quantization-fields.ts';
import { type QuantizedLayer, type QuantizeOptions, Quantizer } from './quantizer.ts';
import { requireFitsModel } from './recipe.ts';
import { runFingerprint, samplesFingerprint } from './run-fingerprint.ts';

export interface WriteOptions extends QuantizeOptions {
  /** The folder to write: new, empty, or of an earlier run of the same quantization. */
  readonly out: string;
  readonly toolVersion: string;
  readonly onLayer?: (layer: LoggedLayer, restored: boolean) => void;
}

export interface WrittenCheckpoint {
  readonly quantization: Quantization;
  readonly profile: Profile;
  readonly layers: readonly LoggedLayer[];
  readonly tensors: TensorStore;
}

/** Throws `bad-option` for a recipe that does not fit or a folder that holds something else, `numeric`, `io`, `cancelled`. */
export async function writeQuantized(
  checkpoint: Checkpoint,
  options: WriteOptions,
): Promise<WrittenCheckpoint> {
  const { recipe, samples, precision, seed = 0, out, toolVersion, onLayer } = options;
  requireFitsModel(recipe, checkpoint.config);
  const turned = recipe.transforms.rotateResidual;
  const config = { ...checkpoint.config, tiedEmbeddings: checkpoint.config.tiedEmbeddings && !turned };
  const calibration = {
    fingerprint: samplesFingerprint(samples),
    samples: samples.length,
    sequenceLength: samples[0]!.length,
  };
  const fields = quantizationFields({
    config,
    recipe,
    precision,
    toolVersion,
    parameters: { seed, recipe },
    calibration,
  });
  const configFile = join(out, 'config.json');
  const quantization = parseQuantization(fields, { file: configFile, config });
  const run = runFingerprint(checkpoint, fields);

  requireOwnFolder(checkpoint, { out, run });
  const shards = new ShardWriter(out, { numShards: config.numLayers + 1, metadata: { atom_run: run } });
  const log = new LayerLog(out, run);
  using quantizer = await Quantizer.open(checkpoint, options);
  writeRest({ shards, quantizer, checkpoint, turned });
  for await (const layer of quantizer.layers({
    restore: (index, weights) => {
      const specs = layerTensors(config, { index, quantization, recipe });
      if (!log.layers.has(index) || !shards.isFinished(index + 1, specs)) return false;
      const store = new TensorStore([openSafetensors(shards.path(index + 1))]);
      restoreLayer(weights, { store, config, index, quantization });
      return true;
    },
  })) {
    using done = layer;
    const { index } = done;
    const earlier = done.restored ? log.layers.get(index) : undefined;
    if (!earlier) {
      const specs = layerTensors(config, { index, quantization, recipe });
      const writer = shards.begin(index + 1, specs);
      packLayer(writer, done, { config, quantization, recipe });
      writer.commit();
      const linears = done.linears.map(({ name, error }) => ({ name, error: error ?? null }));
      const magnitudes = shownLayers(config.numLayers).includes(index) && magnitudesOf(done.meanSquares);
      log.add({ index, seconds: done.seconds, linears, ...(magnitudes && { magnitudes }) });
    }
    onLayer?.(log.layers.get(index)!, earlier !== undefined);
  }
  copyTokenizer(checkpoint.dir, out);
  const raw = readJsonObject(join(checkpoint.dir, 'config.json'), 'bad-config');
  const head = turned ? { tie_word_embeddings: false } : {};
  writeTextFile(
    configFile,
    `${JSON.stringify({ ...raw, ...head, quantization_config: fields }, undefined, 2)}\n`,
  );
  const tensors = shards.commit();
  const layers = Array.from({ length: config.numLayers }, (_, index) => log.layers.get(index)!);
  return { quantization, profile: quantizer.profile, layers, tensors };
}

function magnitudesOf(meanSquares: QuantizedLayer['meanSquares']): Record<string, number[]> {
  const rounded = (square: number) => Number(Math.sqrt(square).toPrecision(5));
  return Object.fromEntries(
    Object.entries(meanSquares).map(([input, squares]) => [input, Array.from(squares, rounded)]),
  );
}

/** A folder may hold an unfinished run of the same quantization, nothing else. */
function requireOwnFolder(checkpoint: Checkpoint, { out, run }: { out: string; run: string }): void {
  if (!existsSync(out)) return;
  const complete = existsSync(join(out, INDEX_FILE));
  const shard = readdirSync(out).find((name) => /^model-.*\.safetensors$/.test(name));
  if (shard === undefined && !existsSync(join(out, 'config.json'))) return;
  let owner: string | undefined;
  if (shard !== undefined) owner = runOf(join(out, shard));
  if (owner === run) return;
  const what = out === checkpoint.dir ? 'is the model itself' : 'holds another checkpoint';
  throw new AtomError(
    'bad-option',
    `${out} ${what}${complete ? '' : ', unfinished and quantized with other parameters'}; choose another --out, or give --overwrite`,
  );
}

function runOf(shard: string): string | undefined {
  try {
    return openSafetensors(shard).metadata.atom_run;
  } catch (error) {
    if (error instanceof AtomError && error.code === 'bad-safetensors') return undefined;
    throw error;
  }
}

/** The first shard: embedding, final norm and head, turned with the residual or as they were. */
function writeRest({
  shards,
  quantizer,
  checkpoint,
  turned,
}: {
  shards: ShardWriter;
  quantizer: Quantizer;
  checkpoint: Checkpoint;
  turned: boolean;
}): void {
  const { tensors } = checkpoint;
  const config: ModelConfig = quantizer.config;
  const specs: TensorSpec[] = [];
  const parts = new Map<string, () => ArrayBufferView>();
  const add = (
    name: string,
    dtype: TensorSpec['dtype'],
    shape: readonly number[],
    read: () => ArrayBufferView,
  ) => {
    specs.push({ name, dtype, shape });
    parts.set(name, read);
  };
  const head = `${LM_HEAD}.weight`;
  if (turned) {
    const table = [config.vocabSize, config.hiddenSize];
    const half = (tensor: Tensor) => encodeBf16All(tensor.f32());
    add(EMBEDDING, 'BF16', table, () => half(quantizer.embedding));
    add(head, 'BF16', table, () => half(quantizer.lmHead.sources[0]!.weight));
  } else {
    const names = config.tiedEmbeddings ? [EMBEDDING] : [EMBEDDING, head];
    for (const name of names) {
      const { dtype, shape } = tensors.get(name);
      add(name, dtype, shape, () => tensors.read(name));
    }
  }
  add(FINAL_NORM, 'F32', [config.hiddenSize], () => quantizer.finalNorm.f32());
  if (shards.isFinished(0, specs)) return;
  const writer = shards.begin(0, specs);
  for (const [name, read] of parts) writer.write(name, read());
  writer.commit();
}

const tokenizerFiles =
  /^(tokenizer.*|special_tokens_map\.json|added_tokens\.json|vocab\.(json|txt)|merges\.txt|chat_template.*|generation_config\.json|LICENSE.*)$/i;

function copyTokenizer(from: string, to: string): void {
  for (const name of readdirSync(from)) {
    if (tokenizerFiles.test(name)) copyFileSync(join(from, name), join(to, name));
  }
}
