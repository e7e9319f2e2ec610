// A checkpoint's tensors as tensors of a backend: files are mapped once, each tensor is a view of its file.
import type { Backend, MappedFile } from '../backend/backend.ts';
import type { DType, Tensor } from '../backend/tensor.ts';
import type { Checkpoint } from '../checkpoint/open-checkpoint.ts';
import { AtomError } from '../errors.ts';

const dtypes: Readonly<Record<string, DType>> = {
  F32: 'f32',
  F16: 'f16',
  BF16: 'bf16',
  I32: 'i32',
  I8: 'i8',
  U8: 'u8',
};

export class CheckpointTensors implements Disposable {
  readonly #checkpoint: Checkpoint;
  readonly #backend: Backend;
  readonly #files = new Map<string, MappedFile>();
  readonly #copies: Tensor[] = [];

  constructor(checkpoint: Checkpoint, backend: Backend) {
    this.#checkpoint = checkpoint;
    this.#backend = backend;
  }

  has(name: string): boolean {
    return this.#checkpoint.tensors.has(name);
  }

  /** The tensor's bytes in its file. Throws `missing-tensor`, `bad-safetensors` for a dtype that no operator takes. */
  get(name: string): Tensor {
    const entry = this.#checkpoint.tensors.get(name);
    const dtype = dtypes[entry.dtype];
    if (!dtype) {
      throw new AtomError(
        'bad-safetensors',
        `${entry.file}: tensor ${name} has dtype ${entry.dtype}, which cannot be computed with`,
      );
    }
    let file = this.#files.get(entry.file);
    if (!file) {
      file = this.#backend.mapFile(entry.file);
      this.#files.set(entry.file, file);
    }
    return file.tensor({ dtype, shape: entry.shape, byteOffset: entry.begin });
  }

  /** A copy as f32, kept until this object is disposed: for the small vectors (norms, biases). */
  vector(...names: readonly string[]): Tensor {
    const parts = names.map((name) => this.get(name));
    const copy = this.#backend.allocate('f32', [parts.reduce((sum, part) => sum + part.size, 0)]);
    this.#copies.push(copy);
    let offset = 0;
    for (const part of parts) {
      copy.f32().set(floatsOf(part), offset);
      offset += part.size;
    }
    return copy;
  }

  [Symbol.dispose](): void {
    for (const copy of this.#copies) copy[Symbol.dispose]();
    for (const file of this.#files.values()) file[Symbol.dispose]();
  }
}

/** A copy of a checkpoint's weight (rows, columns) as f32; the caller disposes it. */
export function loadMatrix(backend: Backend, weight: Tensor): Tensor {
  const out = backend.allocate('f32', weight.shape);
  const tokens = weight.shape[0]!;
  // Looking up every row in turn is what turns a whole table into f32.
  using tokenIds = backend.allocate('i32', [tokens]);
  tokenIds.i32().set(Int32Array.from({ length: tokens }, (_, row) => row));
  backend.embed({ table: weight, tokenIds, out, tokens });
  return out;
}

/** The values of a small floating-point tensor. */
export function floatsOf(tensor: Tensor): Float32Array {
  // A mapped tensor may start anywhere, so the bytes are copied before they are read as numbers.
  const bytes = tensor.bytes().slice();
  switch (tensor.dtype) {
    case 'f32':
      return new Float32Array(bytes.buffer);
    case 'bf16': {
      const bits = Uint32Array.from(new Uint16Array(bytes.buffer), (half) => half << 16);
      return new Float32Array(bits.buffer);
    }
    case 'f16':
      return Float32Array.from(new Uint16Array(bytes.buffer), halfToFloat);
    default:
      throw new AtomError(
        'bad-shape',
        `expected floating-point values, got ${tensor.dtype} [${tensor.shape.join(', ')}]`,
      );
  }
}

/** IEEE 754 binary16 to binary32. */
function halfToFloat(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
