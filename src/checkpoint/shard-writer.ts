// Writes a checkpoint folder's tensors shard by shard, the index last: a run that was killed finds the shards it
// finished and goes on behind them, and nobody opens a folder that is incomplete.
// It must not know what the tensors mean, nor decide what belongs in which shard.
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { AtomError, reasonOf } from '../errors.ts';
import { writeTextFile } from './atomic-file.ts';
import { byteLengthOf } from './safetensors-header.ts';
import { openSafetensors, type SafetensorsFile } from './safetensors-reader.ts';
import { type Metadata, SafetensorsWriter, type TensorSpec } from './safetensors-writer.ts';
import { INDEX_FILE, SINGLE_FILE, TensorStore } from './tensor-store.ts';

export class ShardWriter {
  readonly #dir: string;
  readonly #numShards: number;
  readonly #metadata: Metadata;

  /**
   * Makes the folder if need be. One shard is called model.safetensors, several model-00001-of-0000N.safetensors.
   * `metadata` goes into every shard; put in it whatever makes two runs different, for only shards with equal metadata
   * count as finished. Throws `bad-option` when the folder holds a checkpoint of the other layout, and `io`.
   */
  constructor(dir: string, { numShards, metadata = {} }: { numShards: number; metadata?: Metadata }) {
    try {
      mkdirSync(dir, { recursive: true });
    } catch (error) {
      throw new AtomError('io', `cannot make the folder ${dir}: ${reasonOf(error)}`, { cause: error });
    }
    const other = numShards === 1 ? INDEX_FILE : SINGLE_FILE;
    if (existsSync(join(dir, other))) {
      throw new AtomError(
        'bad-option',
        `${dir} holds another checkpoint (${other}); choose another folder or empty it`,
      );
    }
    this.#dir = dir;
    this.#numShards = numShards;
    this.#metadata = metadata;
  }

  /** Path of shard 0 to numShards - 1. */
  path(shard: number): string {
    const number = (n: number): string => String(n).padStart(5, '0');
    const name =
      this.#numShards === 1
        ? SINGLE_FILE
        : `model-${number(shard + 1)}-of-${number(this.#numShards)}.safetensors`;
    return join(this.#dir, name);
  }

  /** Whether an earlier run finished this shard with the same tensors and metadata. */
  isFinished(shard: number, tensors: readonly TensorSpec[]): boolean {
    if (!existsSync(this.path(shard))) return false;
    let file: SafetensorsFile;
    try {
      file = openSafetensors(this.path(shard));
    } catch (error) {
      if (error instanceof AtomError && error.code === 'bad-safetensors') return false;
      throw error;
    }
    return (
      file.tensors.size === tensors.length &&
      tensors.every(({ name, dtype, shape }) => {
        const stored = file.tensors.get(name);
        return stored?.dtype === dtype && stored.shape.join() === shape.join();
      }) &&
      Object.entries(this.#metadata).every(([key, value]) => file.metadata[key] === value)
    );
  }

  /** Starts a shard; it is in the folder once its writer commits. Withdraws the index of an earlier run. */
  begin(shard: number, tensors: readonly TensorSpec[]): SafetensorsWriter {
    rmSync(join(this.#dir, INDEX_FILE), { force: true });
    return new SafetensorsWriter(this.path(shard), { tensors, metadata: this.#metadata });
  }

  /** Writes the index over all shards; the folder is complete with it. Throws `io` when a shard is missing. */
  commit(): TensorStore {
    const files = Array.from({ length: this.#numShards }, (_, shard) => openSafetensors(this.path(shard)));
    const store = new TensorStore(files);
    if (this.#numShards > 1) writeTextFile(join(this.#dir, INDEX_FILE), indexOf(store));
    return store;
  }
}

/** Splits tensors, in order, into shards of at most `maxShardBytes`; a larger tensor gets its own. */
export function planShards(tensors: Iterable<TensorSpec>, maxShardBytes = 5e9): TensorSpec[][] {
  const shards: TensorSpec[][] = [];
  let room = 0;
  for (const tensor of tensors) {
    const bytes = byteLengthOf(tensor.dtype, tensor.shape) ?? Number.POSITIVE_INFINITY;
    const last = shards.at(-1);
    if (last === undefined || bytes > room) {
      shards.push([tensor]);
      room = maxShardBytes - bytes;
    } else {
      last.push(tensor);
      room -= bytes;
    }
  }
  return shards;
}

function indexOf({ tensors }: TensorStore): string {
  let totalSize = 0;
  const map: [string, string][] = [];
  for (const { name, file, begin, end } of tensors.values()) {
    totalSize += end - begin;
    map.push([name, basename(file)]);
  }
  map.sort(([a], [b]) => (a < b ? -1 : 1));
  const index = { metadata: { total_size: totalSize }, weight_map: Object.fromEntries(map) };
  return `${JSON.stringify(index, undefined, 2)}\n`;
}
