// The files of a tokenizer as parsed JSON, and the checks every reader of them shares.
// An error names the file and the reason. Nothing here knows what a token is.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { AtomError, reasonOf } from '../errors.ts';

export type Json = Readonly<Record<string, unknown>>;

/** One parsed file with its path, so that whoever finds a fault in it can say where. */
export interface JsonFile {
  readonly path: string;
  readonly json: Json;
}

export interface TokenizerFiles {
  readonly tokenizer: JsonFile;
  /** tokenizer_config.json; empty where the folder has none. */
  readonly config: JsonFile;
  /** special_tokens_map.json; empty where the folder has none. */
  readonly specialTokens: JsonFile;
  /** chat_template.jinja, which goes before a template in tokenizer_config.json. */
  readonly template: string | undefined;
}

/** The largest tokenizer.json of a public model has 35 MB; a file beyond this is something else. */
const MAX_BYTES = 512 * 2 ** 20;

/** Throws `bad-tokenizer` for a file that is missing, unreadable or not a JSON object. */
export function readTokenizerFiles(dir: string): TokenizerFiles {
  const tokenizerPath = join(dir, 'tokenizer.json');
  if (!existsSync(tokenizerPath)) {
    const convert = existsSync(join(dir, 'tokenizer.model'))
      ? '; the folder has a tokenizer.model, which transformers saves as tokenizer.json with ' +
        'AutoTokenizer.from_pretrained(dir).save_pretrained(dir)'
      : '';
    throw badTokenizer(tokenizerPath, `there is no such file${convert}`);
  }
  const templatePath = join(dir, 'chat_template.jinja');
  return {
    tokenizer: readJson(tokenizerPath),
    config: readOptionalJson(join(dir, 'tokenizer_config.json')),
    specialTokens: readOptionalJson(join(dir, 'special_tokens_map.json')),
    template: existsSync(templatePath) ? readText(templatePath) : undefined,
  };
}

export function badTokenizer(path: string, reason: string, cause?: unknown): AtomError {
  return new AtomError('bad-tokenizer', `${path}: ${reason}`, { cause });
}

/** The object under `key`, undefined where it is absent or null. */
export function optionalObject({ path, json }: JsonFile, key: string): Json | undefined {
  const value = json[key] ?? undefined;
  if (value === undefined || isObject(value)) return value;
  throw badTokenizer(path, `"${key}" is not an object`);
}

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A string from a file as error messages show it. */
export function quoted(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}

function readOptionalJson(path: string): JsonFile {
  return existsSync(path) ? readJson(path) : { path, json: {} };
}

function readJson(path: string): JsonFile {
  let json: unknown;
  try {
    json = JSON.parse(readText(path));
  } catch (error) {
    if (error instanceof AtomError) throw error;
    throw badTokenizer(path, `it is not JSON: ${reasonOf(error)}`, error);
  }
  if (!isObject(json)) throw badTokenizer(path, 'it does not hold a JSON object');
  return { path, json };
}

function readText(path: string): string {
  try {
    const stat = statSync(path);
    if (!stat.isFile()) throw new Error('it is not a file'); // reading a pipe would wait for its writer
    if (stat.size > MAX_BYTES) throw new Error(`it has ${stat.size} bytes, too many for a tokenizer`);
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw badTokenizer(path, reasonOf(error), error);
  }
}
