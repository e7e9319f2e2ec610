// Token id <-> vocabulary entry <-> raw bytes, with the added and special tokens marked.
// It reads tokenizer.json's vocabulary and the added tokens of both files; it knows nothing of merges.
import type { DecodingRule } from './decoding-rule.ts';
import { badTokenizer, isObject, type JsonFile, quoted, type TokenizerFiles } from './tokenizer-files.ts';
import { certainLength } from './utf8.ts';

/** A token matched as a whole before any merging. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Left out of decoded text on request; text holds it as itself when special tokens are not parsed. */
  readonly special: boolean;
  /** Whether the token takes in white space before or after it. */
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  /** Whether it counts only where no letter or digit touches it. */
  readonly singleWord: boolean;
}

/** No model has this many tokens; a larger id is a damaged file and would cost gigabytes. */
const MAX_ID = 2 ** 22;

export class Vocabulary {
  /** Highest id + 1. */
  readonly size: number;
  readonly addedTokens: readonly AddedToken[];
  readonly rule: DecodingRule;
  readonly #entries: readonly (string | undefined)[]; // (size)
  readonly #ids: ReadonlyMap<string, number>;
  readonly #added: ReadonlyMap<number, AddedToken>;
  // Filled as tokens are first met: most vocabularies are much larger than what one process decodes.
  readonly #bytes: (Uint8Array | undefined)[]; // (size)
  readonly #texts: (string | null | undefined)[]; // (size)

  constructor({ entries, ids, added, rule }: VocabularyParts) {
    this.size = entries.length;
    this.addedTokens = added;
    this.rule = rule;
    this.#entries = entries;
    this.#ids = ids;
    this.#added = new Map(added.map((token) => [token.id, token]));
    this.#bytes = new Array(this.size);
    this.#texts = new Array(this.size);
  }

  /** The entry as the file spells it, e.g. `Ġhello` or `▁hello`; undefined for an id without one. */
  entry(id: number): string | undefined {
    return this.#entries[id];
  }

  /** UTF-16 units of the longest entry. */
  get longestEntry(): number {
    return this.#entries.reduce((longest, entry = '') => Math.max(longest, entry.length), 0);
  }

  id(entry: string): number | undefined {
    return this.#ids.get(entry);
  }

  isSpecial(id: number): boolean {
    return this.#added.get(id)?.special ?? false;
  }

  /** The bytes the token adds to a text; none for an id without an entry. Not to be written to. */
  bytes(id: number): Uint8Array {
    const known = this.#bytes[id];
    if (known !== undefined) return known;
    const entry = this.#entries[id];
    if (entry === undefined) return nothing;
    // An added token of a byte-level vocabulary is spelled as itself, not in the byte alphabet.
    const literal = this.rule.spelling === 'byte-level' && this.#added.has(id);
    const bytes = literal ? Buffer.from(entry) : this.rule.bytesOf(entry);
    this.#bytes[id] = bytes;
    return bytes;
  }

  /** The token's text where its bytes end with a whole character; null where the next token must tell. */
  wholeText(id: number): string | null {
    let text = this.#texts[id];
    if (text === undefined) {
      const bytes = this.bytes(id);
      text = certainLength(bytes) === bytes.length ? Buffer.from(bytes).toString() : null;
      if (this.#entries[id] !== undefined) this.#texts[id] = text;
    }
    return text;
  }
}

interface VocabularyParts {
  readonly entries: readonly (string | undefined)[]; // by id
  readonly ids: ReadonlyMap<string, number>;
  readonly added: readonly AddedToken[];
  readonly rule: DecodingRule;
}

const nothing = new Uint8Array(0);

/** Throws `bad-tokenizer` for entries without a proper id, or two entries of one id. */
export function parseVocabulary(files: TokenizerFiles, rule: DecodingRule): Vocabulary {
  const { path, json } = files.tokenizer;
  const declared = isObject(json.model) ? json.model.vocab : undefined;
  if (!isObject(declared)) throw badTokenizer(path, '"model.vocab" is not an object of tokens and ids');
  const ids = new Map<string, number>();
  const entries: (string | undefined)[] = [];
  const add = (file: string, entry: string, id: unknown) => {
    if (!Number.isSafeInteger(id) || (id as number) < 0 || (id as number) > MAX_ID) {
      throw badTokenizer(file, `the token ${quoted(entry)} has the id ${quoted(id)}`);
    }
    const owner = entries[id as number];
    if (owner !== undefined && owner !== entry) {
      throw badTokenizer(file, `the id ${id} belongs to both ${quoted(owner)} and ${quoted(entry)}`);
    }
    entries[id as number] = entry;
    ids.set(entry, id as number);
  };
  for (const [entry, id] of Object.entries(declared)) add(path, entry, id);
  const added = new Map<number, AddedToken>();
  for (const { file, token } of [
    ...declaredInTokenizer(files.tokenizer),
    ...declaredInConfig(files.config),
  ]) {
    if (ids.has(token.content) && ids.get(token.content) !== token.id) {
      const other = ids.get(token.content);
      throw badTokenizer(file, `the token ${quoted(token.content)} has the ids ${other} and ${token.id}`);
    }
    add(file, token.content, token.id);
    added.set(token.id, token);
  }
  markNamedSpecials(files, ids, added);
  return new Vocabulary({ entries, ids, added: [...added.values()], rule });
}

interface Declared {
  readonly file: string;
  readonly token: AddedToken;
}

function* declaredInTokenizer({ path, json }: JsonFile): Generator<Declared> {
  const list = json.added_tokens ?? [];
  if (!Array.isArray(list)) throw badTokenizer(path, '"added_tokens" is not a list');
  for (const item of list) {
    if (!isObject(item)) throw badTokenizer(path, 'one of "added_tokens" is not an object');
    yield { file: path, token: parseAddedToken(item, item.id, path) };
  }
}

/** added_tokens_decoder of tokenizer_config.json: id -> token. It may say more than tokenizer.json, not other. */
function* declaredInConfig({ path, json }: JsonFile): Generator<Declared> {
  const decoder = json.added_tokens_decoder ?? {};
  if (!isObject(decoder)) throw badTokenizer(path, '"added_tokens_decoder" is not an object');
  for (const [id, item] of Object.entries(decoder)) {
    if (!isObject(item)) throw badTokenizer(path, `"added_tokens_decoder" ${quoted(id)} is not an object`);
    yield { file: path, token: parseAddedToken(item, Number(id), path) };
  }
}

function parseAddedToken(item: Readonly<Record<string, unknown>>, id: unknown, path: string): AddedToken {
  const { content } = item;
  if (typeof content !== 'string' || content === '' || !Number.isSafeInteger(id)) {
    throw badTokenizer(path, `an added token needs a "content" and an id, not ${quoted(item)}`);
  }
  return {
    id: id as number,
    content,
    special: item.special === true,
    lstrip: item.lstrip === true,
    rstrip: item.rstrip === true,
    singleWord: item.single_word === true,
  };
}

/** The text of a special token that a config names as a string or as `{ content }`. */
export function namedToken(value: unknown): string | undefined {
  const content = isObject(value) ? value.content : value;
  return typeof content === 'string' && content !== '' ? content : undefined;
}

/** Tokens that the configs call bos, eos, pad, unk or additional are special even where no list says so. */
function markNamedSpecials(
  { config, specialTokens }: TokenizerFiles,
  ids: ReadonlyMap<string, number>,
  added: Map<number, AddedToken>,
): void {
  for (const { json } of [config, specialTokens]) {
    const additional = Array.isArray(json.additional_special_tokens) ? json.additional_special_tokens : [];
    for (const value of [json.bos_token, json.eos_token, json.pad_token, json.unk_token, ...additional]) {
      const content = namedToken(value);
      const id = content === undefined ? undefined : ids.get(content);
      if (content === undefined || id === undefined) continue;
      const known = added.get(id);
      added.set(id, {
        lstrip: false,
        rstrip: false,
        singleWord: false,
        ...known,
        id,
        content,
        special: true,
      });
    }
  }
}
