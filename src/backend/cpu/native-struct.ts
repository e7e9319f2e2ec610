// A plain C++ struct in native memory, eight bytes a field: written once, its address handed to operators.
// Its memory is freed when the last reference to it goes, because what it describes has no end of its own.
import { nativeAddon } from './native.ts';

export type Field = { readonly address: number } | { readonly integer: number } | { readonly double: number };

const registry = new FinalizationRegistry<ArrayBuffer>((buffer) => nativeAddon().release(buffer));

export class NativeStruct {
  readonly address: number;
  readonly #view: DataView;

  constructor(fields: readonly Field[]) {
    const window = nativeAddon().allocate(fields.length * 8)!;
    this.address = window.address;
    this.#view = new DataView(window.buffer);
    for (const [index, field] of fields.entries()) this.set(index, field);
    registry.register(this, window.buffer);
  }

  set(index: number, field: Field): void {
    if ('double' in field) this.#view.setFloat64(index * 8, field.double, true);
    else this.#view.setBigInt64(index * 8, BigInt('address' in field ? field.address : field.integer), true);
  }
}
