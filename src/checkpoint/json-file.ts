// A JSON object in a file, with errors that name the file. It knows nothing of what the object means.
import { readFileSync, statSync } from 'node:fs';
import { AtomError, type ErrorCode, reasonOf } from '../errors.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

/** Far above any real index or config; a larger file is not one. */
const MAX_BYTES = 256 * 2 ** 20;

/** Throws `io` when the file cannot be read, and `code` when it does not hold one JSON object. */
export function readJsonObject(file: string, code: ErrorCode): JsonObject {
  let text: string;
  try {
    const { size } = statSync(file);
    if (size > MAX_BYTES) throw new AtomError(code, `${file} has ${size} bytes, too many for a JSON file`);
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof AtomError) throw error;
    throw new AtomError('io', `cannot read ${file}: ${reasonOf(error)}`, { cause: error });
  }
  return parseJsonObject(text, { file, code });
}

export function parseJsonObject(text: string, { file, code }: { file: string; code: ErrorCode }): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new AtomError(code, `${file} is not JSON: ${reasonOf(error)}`, { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new AtomError(code, `${file} does not hold a JSON object`);
  }
  return value as JsonObject;
}

/** A value from a JSON file as error messages show it: strings quoted, escaped and cut when absurdly long. */
export function quoted(value: unknown): string {
  if (typeof value === 'string') {
    return JSON.stringify(value.length > 200 ? `${value.slice(0, 200)}...` : value);
  }
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}
