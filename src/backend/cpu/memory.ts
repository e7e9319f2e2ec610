// Native memory behind tensors: allocations and mapped files, freed when their owner is disposed.
import { statSync } from 'node:fs';
import { AtomError, reasonOf } from '../../errors.ts';
import type { MappedFile } from '../backend.ts';
import { bytesPerElement, type DType, type Memory, numElements, Tensor } from '../tensor.ts';
import { type NativeWindow, nativeAddon } from './native.ts';

class NativeMemory implements Memory {
  readonly buffer: ArrayBuffer;
  readonly address: number;
  readonly mapped: boolean;
  readonly #release: (buffer: ArrayBuffer) => void;
  #freed = false;

  constructor(
    { buffer, address }: NativeWindow,
    { mapped, release }: { mapped: boolean; release: (buffer: ArrayBuffer) => void },
  ) {
    this.buffer = buffer;
    this.address = address;
    this.mapped = mapped;
    this.#release = release;
  }

  get freed(): boolean {
    return this.#freed;
  }

  free(): void {
    if (this.#freed) return;
    this.#freed = true;
    this.#release(this.buffer);
  }
}

/** Zeroed, 64-byte aligned. Throws `out-of-memory`. */
export function allocateTensor(dtype: DType, shape: readonly number[]): Tensor {
  const addon = nativeAddon();
  const bytes = Math.max(numElements(shape) * bytesPerElement[dtype], 1);
  const window = addon.allocate(bytes);
  if (!window) {
    throw new AtomError(
      'out-of-memory',
      `the machine has no ${(bytes / 2 ** 20).toFixed(1)} MiB left for a ${dtype} tensor of shape [${shape.join(', ')}]`,
    );
  }
  const memory = new NativeMemory(window, { mapped: false, release: (buffer) => addon.release(buffer) });
  return new Tensor({ dtype, shape, memory, owner: true });
}

/** Opens `path` for mapping. Throws `io`. */
export function mapFile(path: string): MappedFile {
  try {
    return new NativeMappedFile(path, statSync(path).size);
  } catch (cause) {
    throw new AtomError('io', `${path} cannot be mapped into memory: ${reasonOf(cause)}`, { cause });
  }
}

/** Tensors are mapped one by one: JavaScript's buffers end at 4 GiB, shards of checkpoints do not. */
class NativeMappedFile implements MappedFile {
  readonly path: string;
  readonly byteLength: number;
  readonly #mapped: NativeMemory[] = [];

  constructor(path: string, byteLength: number) {
    this.path = path;
    this.byteLength = byteLength;
  }

  tensor({
    dtype,
    shape,
    byteOffset,
  }: {
    dtype: DType;
    shape: readonly number[];
    byteOffset: number;
  }): Tensor {
    const addon = nativeAddon();
    const bytes = numElements(shape) * bytesPerElement[dtype];
    if (byteOffset < 0 || byteOffset + bytes > this.byteLength) {
      throw new AtomError(
        'io',
        `${this.path} ends at byte ${this.byteLength}, before a tensor that reaches to ${byteOffset + bytes}`,
      );
    }
    const lead = byteOffset % addon.pageBytes();
    try {
      const window = addon.mapFile(this.path, byteOffset - lead, Math.max(lead + bytes, 1));
      const memory = new NativeMemory(window, { mapped: true, release: (buffer) => addon.unmapFile(buffer) });
      this.#mapped.push(memory);
      return new Tensor({ dtype, shape, byteOffset: lead, memory });
    } catch (cause) {
      throw new AtomError('io', `${this.path} cannot be mapped into memory: ${reasonOf(cause)}`, { cause });
    }
  }

  [Symbol.dispose](): void {
    for (const memory of this.#mapped) memory.free();
  }
}
