// A JSON object in a file and the fields a schema asks of it, with errors that name file and field.
// It knows nothing of what they mean.
import { readFileSync, statSync } from 'node:fs';
import type { z } from 'zod';
import { AtomError, type ErrorCode, reasonOf } from '../errors.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

/** Far above any real index or config; a larger file is not one. */
const MAX_BYTES = 256 * 2 ** 20;

/** Throws `io` when the file cannot be read, and `code` when it does not hold one JSON object. */
export function readJsonObject(file: string, code: ErrorCode): JsonObject {
  let text: string;
  try {
    const stat = statSync(file);
    if (!stat.isFile()) throw new Error('it is not a file'); // reading a pipe would wait for its writer
    if (stat.size > MAX_BYTES) {
      throw new AtomError(code, `${file} has ${stat.size} bytes, too many for a JSON file`);
    }
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

/** Checks `raw` against a schema and turns the first issue into one sentence with file, field and value. */
export function parseFields<T>(
  schema: z.ZodType<T>,
  raw: unknown,
  { file, code }: { file: string; code: ErrorCode },
): T {
  const result = schema.safeParse(raw);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const value = issue.path.reduce<unknown>((at, key) => (at as JsonObject | undefined)?.[String(key)], raw);
  const field = quoted(issue.path.map(String).join('.'));
  throw new AtomError(
    code,
    value === undefined
      ? `${file}: the field ${field} is missing`
      : `${file}: the field ${field} is ${quoted(value)}: ${issue.message}`,
    { cause: result.error },
  );
}

/** A value from a JSON file as error messages show it: strings quoted, escaped and cut when absurdly long. */
export function quoted(value: unknown): string {
  if (typeof value === 'string') {
    return JSON.stringify(value.length > 200 ? `${value.slice(0, 200)}...` : value);
  }
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}
