// A plain C++ struct in native memory, eight bytes a field: written once, its address handed to operators.
// Its memory is freed when the last reference to it goes, because what it describes has no end of its own.
import { nativeAddon } from './native.ts';

export type Field = { readonly address: number } | { readonly integer: number } | { readonly double: number };

const registry = new FinalizationRegistry<ArrayBuffer>((buffer) => nativeAddon().release(buffer));

export class NativeStruct {
  readonly address: number;
  readonly #doubles: Float64Array;
  readonly #words: Uint32Array;

  constructor(fields: readonly Field[]) {
    const window = nativeAddon().allocate(fields.length * 8)!;
    this.address = window.address;
    this.#doubles = new Float64Array(window.buffer, 0, fields.length);
    this.#words = new Uint32Array(window.buffer, 0, 2 * fields.length);
    for (const [index, field] of fields.entries()) this.set(index, field);
    registry.register(this, window.buffer);
  }

  set(index: number, field: Field): void {
    if ('double' in field) this.#doubles[index] = field.double;
    else this.setInteger(index, 'address' in field ? field.address : field.integer);
  }

  /** An integer or an address, exact below 2^53: two's complement in two halves, low first, as all processors here have it. */
  setInteger(index: number, value: number): void {
    this.#words[2 * index] = value;
    this.#words[2 * index + 1] = Math.floor(value / 2 ** 32);
  }
}
