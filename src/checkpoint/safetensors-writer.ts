// Writes one safetensors file: tensors are declared first, their bytes then arrive in any order and in pieces, straight
// to disk. The same declarations and bytes always give the same file. It must not know what the tensors mean.
import { AtomError } from '../errors.ts';
import { AtomicFile } from './atomic-file.ts';
import { quoted } from './json-file.ts';
import { byteLengthOf, bytesPerDtype, LENGTH_BYTES, type SafetensorsDtype } from './safetensors-header.ts';

export interface TensorSpec {
  readonly name: string;
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
}

export type Metadata = Readonly<Record<string, string>>;

/** Loaders of other libraries ask for it: which library's conventions the tensors follow. */
const usualMetadata: Metadata = { format: 'pt' };

/** The data starts at a multiple of a cache line, so that kernels may read a mapped file in place. */
const ALIGNMENT = 64;

export class SafetensorsWriter implements Disposable {
  readonly #file: AtomicFile;
  /** Where the next byte of a tensor goes, and where the tensor ends. */
  readonly #places: Map<string, { next: number; readonly end: number }>;

  /**
   * Starts the file beside `path`; nothing appears under `path` before `commit`.
   * Throws `io`, and `internal` for declarations that no file can hold.
   */
  constructor(path: string, { tensors, metadata }: { tensors: readonly TensorSpec[]; metadata?: Metadata }) {
    const { header, places } = layOut(tensors, { ...usualMetadata, ...metadata });
    this.#file = new AtomicFile(path);
    this.#places = places;
    this.#file.writeAt(0, header);
  }

  /** The next bytes of a tensor, row-major and little-endian. Throws `io`, and `internal` for more than declared. */
  write(name: string, data: ArrayBufferView): void {
    const place = this.#places.get(name);
    if (place === undefined) {
      throw new AtomError('internal', `${this.#file.path}: tensor ${quoted(name)} was not declared`);
    }
    if (place.next + data.byteLength > place.end) {
      throw new AtomError(
        'internal',
        `${this.#file.path}: tensor ${quoted(name)} got ${place.next + data.byteLength - place.end} bytes too many`,
      );
    }
    this.#file.writeAt(place.next, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    place.next += data.byteLength;
  }

  /** Puts the complete file in its place. Throws `internal` while bytes are missing, and `io`. */
  commit(): void {
    for (const [name, { next, end }] of this.#places) {
      if (next < end) {
        throw new AtomError(
          'internal',
          `${this.#file.path}: tensor ${quoted(name)} lacks ${end - next} bytes`,
        );
      }
    }
    this.#file.commit();
  }

  /** Without a commit before it: forgets the file. */
  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}

/**
 * The file's first bytes and each tensor's place in it. Wide elements come first: tensors lie back to back, and so every
 * one of them is aligned to its element.
 */
function layOut(
  tensors: readonly TensorSpec[],
  metadata: Metadata,
): { header: Uint8Array; places: Map<string, { next: number; end: number }> } {
  const ordered = [...tensors].sort((a, b) => bytesPerDtype[b.dtype] - bytesPerDtype[a.dtype]);
  const entries: [string, unknown][] = [['__metadata__', sortedByKey(metadata)]];
  const spans = new Map<string, { next: number; end: number }>();
  let offset = 0;
  for (const { name, dtype, shape } of ordered) {
    const bytes = byteLengthOf(dtype, shape);
    if (bytes === undefined || shape.some((extent) => !Number.isSafeInteger(extent) || extent < 0)) {
      throw new AtomError('internal', `tensor ${quoted(name)} cannot have the shape [${shape.join(', ')}]`);
    }
    if (spans.has(name) || name === '__metadata__') {
      throw new AtomError('internal', `tensor ${quoted(name)} cannot be declared twice`);
    }
    spans.set(name, { next: offset, end: offset + bytes });
    entries.push([name, { dtype, shape, data_offsets: [offset, offset + bytes] }]);
    offset += bytes;
  }

  const json = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const dataStart = Math.ceil((LENGTH_BYTES + json.byteLength) / ALIGNMENT) * ALIGNMENT;
  const header = Buffer.alloc(dataStart, ' ');
  header.writeBigUInt64LE(BigInt(dataStart - LENGTH_BYTES));
  json.copy(header, LENGTH_BYTES);
  for (const span of spans.values()) {
    span.next += dataStart;
    span.end += dataStart;
  }
  return { header, places: spans };
}

function sortedByKey<T>(record: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}
