// A tensor: dtype and shape over a stretch of memory, its own or another tensor's.
// Who allocates frees: `dispose` on the tensor that was allocated ends the memory for every view of it.
// This file must not know which backend the memory came from.
import { AtomError } from '../errors.ts';

export type DType = 'f32' | 'bf16' | 'f16' | 'i32' | 'i8' | 'u8';

export const bytesPerElement: Record<DType, number> = { f32: 4, bf16: 2, f16: 2, i32: 4, i8: 1, u8: 1 };

/** A block of bytes that a backend allocated or mapped. `address` is 0 where native code never sees it. */
export interface Memory {
  readonly buffer: ArrayBuffer;
  readonly address: number;
  readonly freed: boolean;
  /** Whether it is a stretch of a file: read on first touch, in whatever pages the file lies. */
  readonly mapped: boolean;
  /** Ends the memory; calling it again does nothing. */
  free(): void;
}

export function numElements(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

export interface TensorOptions {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly memory: Memory;
  /** Offset of the first element, in bytes. */
  readonly byteOffset?: number;
  /** Whether disposing this tensor frees the memory; false for views. */
  readonly owner?: boolean;
}

export class Tensor implements Disposable {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Elements in all. */
  readonly size: number;
  readonly byteOffset: number;
  readonly byteLength: number;
  readonly #memory: Memory;
  readonly #owner: boolean;

  constructor({ dtype, shape, memory, byteOffset = 0, owner = false }: TensorOptions) {
    this.dtype = dtype;
    this.shape = shape;
    this.byteOffset = byteOffset;
    this.size = numElements(shape);
    this.byteLength = this.size * bytesPerElement[dtype];
    this.#memory = memory;
    this.#owner = owner;
    if (byteOffset < 0 || byteOffset + this.byteLength > memory.buffer.byteLength) {
      throw new AtomError(
        'bad-shape',
        `a ${dtype} tensor of shape [${shape.join(', ')}] at byte ${byteOffset} needs ${byteOffset + this.byteLength} bytes, but its memory has ${memory.buffer.byteLength}`,
      );
    }
  }

  /** Whether its bytes are those of a mapped file. */
  get mapped(): boolean {
    return this.#memory.mapped;
  }

  /** Address of the first element, for native code. Throws `use-after-free`. */
  get address(): number {
    return this.#live().address + this.byteOffset;
  }

  /** The elements as f32, without a copy. Throws `bad-shape` for another dtype, `use-after-free`. */
  f32(): Float32Array {
    this.#expect('f32');
    return new Float32Array(this.#live().buffer, this.byteOffset, this.size);
  }

  /** The elements as i32, without a copy. */
  i32(): Int32Array {
    this.#expect('i32');
    return new Int32Array(this.#live().buffer, this.byteOffset, this.size);
  }

  /** The raw 16-bit patterns of a bf16 or f16 tensor, without a copy. */
  u16(): Uint16Array {
    this.#expect('bf16', 'f16');
    return new Uint16Array(this.#live().buffer, this.byteOffset, this.size);
  }

  /** The bytes, whatever the dtype, without a copy. */
  bytes(): Uint8Array {
    return new Uint8Array(this.#live().buffer, this.byteOffset, this.byteLength);
  }

  /** Another shape or dtype over the same bytes, from `byteOffset` bytes into this tensor on. Never owns. */
  view(
    shape: readonly number[],
    { dtype = this.dtype, byteOffset = 0 }: { dtype?: DType; byteOffset?: number } = {},
  ): Tensor {
    return new Tensor({ dtype, shape, memory: this.#live(), byteOffset: this.byteOffset + byteOffset });
  }

  /** Rows [start, start + count) of the first dimension, as a view. */
  rows(start: number, count: number): Tensor {
    const rest = this.shape.slice(1);
    const rowBytes = numElements(rest) * bytesPerElement[this.dtype];
    return this.view([count, ...rest], { byteOffset: start * rowBytes });
  }

  [Symbol.dispose](): void {
    if (this.#owner) this.#memory.free();
  }

  #live(): Memory {
    if (this.#memory.freed) {
      throw new AtomError(
        'use-after-free',
        `a ${this.dtype} tensor of shape [${this.shape.join(', ')}] was used after its memory was freed`,
      );
    }
    return this.#memory;
  }

  #expect(...dtypes: DType[]): void {
    if (!dtypes.includes(this.dtype)) {
      throw new AtomError(
        'bad-shape',
        `expected a tensor of ${dtypes.join(' or ')}, got ${this.dtype} [${this.shape.join(', ')}]`,
      );
    }
  }
}
