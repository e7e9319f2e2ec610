// All tensors of a checkpoint folder, whether in one file or in shards with an index.
// It must not know which tensors a model needs.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { AtomError } from '../errors.ts';
import { type JsonObject, quoted, readJsonObject } from './json-file.ts';
import type { StoredTensor } from './safetensors-header.ts';
import { openSafetensors, readTensor, type SafetensorsFile } from './safetensors-reader.ts';

export const SINGLE_FILE = 'model.safetensors';
export const INDEX_FILE = 'model.safetensors.index.json';

export class TensorStore {
  readonly files: readonly SafetensorsFile[];
  /** By name, over all files. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;

  /** Throws `bad-safetensors` when two files hold a tensor of one name. */
  constructor(files: readonly SafetensorsFile[]) {
    const tensors = new Map<string, StoredTensor>();
    for (const file of files) {
      for (const tensor of file.tensors.values()) {
        const other = tensors.get(tensor.name);
        if (other !== undefined) {
          throw new AtomError(
            'bad-safetensors',
            `tensor ${quoted(tensor.name)} is in two files: ${other.file} and ${tensor.file}`,
          );
        }
        tensors.set(tensor.name, tensor);
      }
    }
    this.files = files;
    this.tensors = tensors;
  }

  has(name: string): boolean {
    return this.tensors.has(name);
  }

  /** Throws `missing-tensor`. */
  get(name: string): StoredTensor {
    const tensor = this.tensors.get(name);
    if (tensor === undefined) {
      const where = this.files.map(({ path }) => path);
      const shown = where.length > 1 ? `${where.length} files from ${where[0]} on` : where[0];
      throw new AtomError('missing-tensor', `tensor ${quoted(name)} is missing: looked in ${shown}`);
    }
    return tensor;
  }

  /** A copy of the bytes, for tools. Throws `missing-tensor`, `io`. */
  read(name: string): Uint8Array<ArrayBuffer> {
    return readTensor(this.get(name));
  }
}

/**
 * Opens `model.safetensors`, or else the shards that `model.safetensors.index.json` names.
 * Throws `not-a-model` when there is neither, `bad-safetensors` for a damaged file, a missing shard or a false index.
 */
export function openTensors(dir: string): TensorStore {
  const single = join(dir, SINGLE_FILE);
  if (existsSync(single)) return new TensorStore([openSafetensors(single)]);
  const index = join(dir, INDEX_FILE);
  if (existsSync(index)) return openShards(dir, index);
  throw new AtomError('not-a-model', `${dir} has no weights: looked for ${SINGLE_FILE} and ${INDEX_FILE}`);
}

function openShards(dir: string, index: string): TensorStore {
  const shardOf = parseIndex(readJsonObject(index, 'bad-safetensors'), index);
  const files = new Map<string, SafetensorsFile>();
  for (const shard of [...new Set(shardOf.values())].sort()) {
    const path = join(dir, shard);
    if (!existsSync(path)) {
      throw new AtomError('bad-safetensors', `${index} names the shard ${shard}, which is not in the folder`);
    }
    files.set(shard, openSafetensors(path));
  }
  for (const [name, shard] of shardOf) {
    if (!files.get(shard)?.tensors.has(name)) {
      throw new AtomError(
        'bad-safetensors',
        `${index} says that tensor ${quoted(name)} is in ${shard}, but it is not`,
      );
    }
  }
  return new TensorStore([...files.values()]);
}

/** Tensor name -> shard file name. A shard must be a plain name: an index may not reach outside its folder. */
function parseIndex({ weight_map: map }: JsonObject, index: string): Map<string, string> {
  if (typeof map !== 'object' || map === null || Array.isArray(map)) {
    throw new AtomError('bad-safetensors', `${index} has no "weight_map" object`);
  }
  const shardOf = new Map<string, string>(Object.entries(map));
  if (shardOf.size === 0) throw new AtomError('bad-safetensors', `${index} names no tensors`);
  for (const [name, shard] of shardOf) {
    if (typeof shard !== 'string' || !/^[^/\\:\0]+\.safetensors$/.test(shard)) {
      throw new AtomError(
        'bad-safetensors',
        `${index} puts tensor ${quoted(name)} in ${quoted(shard)}, which is not the plain name of a .safetensors file`,
      );
    }
  }
  return shardOf;
}
