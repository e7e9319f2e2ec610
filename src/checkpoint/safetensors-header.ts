// The header of a safetensors file: JSON that names each tensor's dtype, shape and place in the data behind it.
// Format: https://github.com/huggingface/safetensors#format. Everything a header can get wrong is caught here, so that
// whoever maps the file may trust every offset. This file must not open files.
import { AtomError, reasonOf } from '../errors.ts';
import { quoted } from './json-file.ts';

/** Element types of the format and their size in bytes. */
export const bytesPerDtype = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
} as const;

export type SafetensorsDtype = keyof typeof bytesPerDtype;

/** One tensor in a file: row-major, little-endian, in bytes [begin, end) of `file`. */
export interface StoredTensor {
  readonly name: string;
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  /** Path of the file that holds it. */
  readonly file: string;
  /** Offsets from the start of the file, header included. */
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** The file starts with the header's length, u64 little-endian. */
export const LENGTH_BYTES = 8;

/** The format's own limit; a longer header is damage or an attack. */
export const MAX_HEADER_BYTES = 100_000_000;

/** Bytes of a tensor, or undefined when the product leaves the integers that a double holds exactly. */
export function byteLengthOf(dtype: SafetensorsDtype, shape: readonly number[]): number | undefined {
  let bytes: number = bytesPerDtype[dtype];
  for (const extent of shape) {
    bytes *= extent;
    if (bytes > Number.MAX_SAFE_INTEGER) return undefined;
  }
  return bytes;
}

/**
 * Parses and validates the header of `file`, whose whole length is `fileBytes`.
 * Throws `bad-safetensors` naming the file and, where there is one, the tensor.
 */
export function parseHeader(
  header: Uint8Array,
  { file, fileBytes }: { file: string; fileBytes: number },
): SafetensorsHeader {
  const fail = (problem: string, cause?: unknown): never => {
    throw new AtomError('bad-safetensors', `${file}: ${problem}`, cause === undefined ? {} : { cause });
  };
  const dataStart = LENGTH_BYTES + header.byteLength;
  const entries = parseEntries(header, fail);

  const metadata: Record<string, string> = Object.create(null);
  const tensors: StoredTensor[] = [];
  for (const [name, entry] of entries) {
    if (!isObject(entry)) fail(`the header's entry ${quoted(name)} is not an object`);
    else if (name === '__metadata__') Object.assign(metadata, parseMetadata(entry, fail));
    else tensors.push(parseTensor(name, entry, { file, dataStart, fail }));
  }

  tensors.sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkCoverage(tensors, { dataStart, fileBytes, fail });
  return { tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])), metadata };
}

type Fail = (problem: string, cause?: unknown) => never;

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parseEntries(header: Uint8Array, fail: Fail): [string, unknown][] {
  let text: string;
  let parsed: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(header);
    parsed = JSON.parse(text);
  } catch (error) {
    return fail(
      `the header is not JSON (${reasonOf(error)}); the file is damaged or no safetensors file`,
      error,
    );
  }
  if (!isObject(parsed)) return fail('the header is not a JSON object');
  const entries = Object.entries(parsed);
  const twice = firstRepeated(topLevelStrings(text));
  if (twice !== undefined) fail(`tensor ${quoted(twice)} is declared twice`);
  return entries;
}

/**
 * The strings at depth one of a JSON object: its keys, since every value of a valid header is an object.
 * JSON.parse keeps the last of two equal keys without a word, so repeats have to be found in the text.
 */
function* topLevelStrings(json: string): Generator<string> {
  let depth = 0;
  for (let i = 0; i < json.length; i++) {
    const char = json[i];
    if (char === '{' || char === '[') depth++;
    else if (char === '}' || char === ']') depth--;
    else if (char === '"') {
      const start = i++;
      while (json[i] !== '"') i += json[i] === '\\' ? 2 : 1;
      if (depth === 1) yield JSON.parse(json.slice(start, i + 1)) as string;
    }
  }
}

function firstRepeated(names: Iterable<string>): string | undefined {
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) return name;
    seen.add(name);
  }
  return undefined;
}

function parseMetadata(entry: Record<string, unknown>, fail: Fail): Record<string, string> {
  for (const [key, value] of Object.entries(entry)) {
    if (typeof value !== 'string') fail(`__metadata__ entry ${quoted(key)} is not a string`);
  }
  return entry as Record<string, string>;
}

function parseTensor(
  name: string,
  { dtype, shape, data_offsets: offsets }: Record<string, unknown>,
  { file, dataStart, fail }: { file: string; dataStart: number; fail: Fail },
): StoredTensor {
  const wrong = (problem: string): never => fail(`tensor ${quoted(name)} ${problem}`);
  if (!isDtype(dtype)) return wrong(`has the unknown dtype ${quoted(dtype)}`);
  if (!isCounts(shape)) return wrong('has a shape that is not a list of non-negative integers');
  if (!isCounts(offsets) || offsets.length !== 2)
    return wrong('has data_offsets that are not two byte offsets');

  const [begin, end] = offsets as [number, number];
  if (end < begin) wrong(`ends at byte ${end}, before its begin at ${begin}`);
  const needed = byteLengthOf(dtype, shape);
  if (needed === undefined) wrong(`has the shape [${shape.join(', ')}], which overflows`);
  if (needed !== end - begin) {
    wrong(
      `of dtype ${dtype} and shape [${shape.join(', ')}] needs ${needed} bytes, but its offsets span ${end - begin}`,
    );
  }
  return { name, dtype, shape, file, begin: dataStart + begin, end: dataStart + end };
}

function isDtype(value: unknown): value is SafetensorsDtype {
  return typeof value === 'string' && Object.hasOwn(bytesPerDtype, value);
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((count) => Number.isSafeInteger(count) && count >= 0);
}

/** The format demands that tensors tile the data: no overlap, no hole, nothing beyond or behind. */
function checkCoverage(
  tensors: readonly StoredTensor[], // by begin
  { dataStart, fileBytes, fail }: { dataStart: number; fileBytes: number; fail: Fail },
): void {
  let covered = dataStart;
  let last = 'the header';
  for (const { name, begin, end } of tensors) {
    if (end > fileBytes) {
      fail(
        `tensor ${quoted(name)} ends at byte ${end}, but the file has ${fileBytes}: it is truncated; fetch it again`,
      );
    }
    if (begin < covered) fail(`tensor ${quoted(name)} overlaps ${last}`);
    if (begin > covered)
      fail(`${begin - covered} bytes between ${last} and tensor ${quoted(name)} belong to no tensor`);
    covered = end;
    last = `tensor ${quoted(name)}`;
  }
  if (covered < fileBytes) fail(`${fileBytes - covered} bytes after ${last} belong to no tensor`);
}
