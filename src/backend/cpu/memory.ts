// Native memory behind tensors: allocations and mapped files, freed when their owner is disposed.
import { closeSync, fstatSync, openSync } from 'node:fs';
import { AtomError, reasonOf } from '../../errors.ts';
import type { MappedFile } from '../backend.ts';
import { bytesPerElement, type DType, type Memory, numElements, Tensor } from '../tensor.ts';
import { type NativeAddon, type NativeWindow, nativeAddon } from './native.ts';

class NativeMemory implements Memory {
  readonly buffer: ArrayBuffer;
  readonly address: number;
  readonly #release: (buffer: ArrayBuffer) => void;
  #freed = false;

  constructor({ buffer, address }: NativeWindow, release: (buffer: ArrayBuffer) => void) {
    this.buffer = buffer;
    this.address = address;
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
  const memory = new NativeMemory(window, (buffer) => addon.release(buffer));
  return new Tensor({ dtype, shape, memory, owner: true });
}

/** Maps `path` whole. Throws `io`. */
export function mapFile(path: string): MappedFile {
  const addon = nativeAddon();
  try {
    const byteLength = fileSize(path);
    return new NativeMappedFile(path, byteLength, addon);
  } catch (cause) {
    throw new AtomError('io', `${path} cannot be mapped into memory: ${reasonOf(cause)}`, { cause });
  }
}

function fileSize(path: string): number {
  const file = openSync(path, 'r');
  try {
    return fstatSync(file).size;
  } finally {
    closeSync(file);
  }
}

class NativeMappedFile implements MappedFile {
  readonly path: string;
  readonly byteLength: number;
  readonly #memory: NativeMemory;

  constructor(path: string, byteLength: number, addon: NativeAddon) {
    this.path = path;
    this.byteLength = byteLength;
    this.#memory = new NativeMemory(addon.mapFile(path, byteLength), (buffer) => addon.unmapFile(buffer));
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
    return new Tensor({ dtype, shape, byteOffset, memory: this.#memory });
  }

  [Symbol.dispose](): void {
    this.#memory.free();
  }
}
