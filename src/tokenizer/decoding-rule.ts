// What the "decoder" of tokenizer.json comes to: the bytes of each entry, and spaces cut from a text's start.
// All decoders of the two BPE families fit this, so decoding is joining bytes and reading them as UTF-8.
// Where a run of byte tokens is not UTF-8, each maximal invalid part becomes one U+FFFD (as in WHATWG's
// decoder); only that can be streamed: Hugging Face's ByteFallback lets a late byte undo earlier text.
import { spelledBytes } from './byte-alphabet.ts';
import {
  badTokenizer,
  isObject,
  type Json,
  type JsonFile,
  optionalObject,
  quoted,
} from './tokenizer-files.ts';

export interface DecodingRule {
  /** How vocabulary entries are spelled: in GPT-2's byte alphabet, or as text with `<0xNN>` for stray bytes. */
  readonly spelling: 'byte-level' | 'byte-fallback';
  /** The UTF-8 bytes a vocabulary entry stands for; they need not be whole characters. */
  bytesOf(entry: string): Uint8Array;
  /** The most spaces cut from the start of a decoded text. */
  readonly leadingSpaces: number;
}

/** Throws `bad-tokenizer` for a decoder outside the two families. */
export function parseDecodingRule(file: JsonFile): DecodingRule {
  const decoder = optionalObject(file, 'decoder');
  if (decoder === undefined) throw badTokenizer(file.path, 'it has no "decoder"');
  const steps = [...flatten(decoder, 'decoders', file.path)];
  if (steps.some((step) => step.type === 'ByteLevel')) {
    return { spelling: 'byte-level', bytesOf: spelledBytes, leadingSpaces: 0 };
  }
  return parseTextual(steps, file.path);
}

function parseTextual(steps: readonly Json[], path: string): DecodingRule {
  const replacements: [string, string][] = [];
  let byteFallback = false;
  let leadingSpaces = 0;
  for (const step of steps) {
    switch (step.type) {
      case 'Replace': {
        const pattern = isObject(step.pattern) ? step.pattern.String : undefined;
        if (typeof pattern !== 'string' || pattern === '' || typeof step.content !== 'string') {
          throw badTokenizer(path, 'a Replace decoder needs a "String" pattern and a "content"');
        }
        replacements.push([pattern, step.content]);
        break;
      }
      case 'Metaspace':
        replacements.push([typeof step.replacement === 'string' ? step.replacement : '▁', ' ']);
        if (step.prepend_scheme !== 'never' && step.add_prefix_space !== false) leadingSpaces = 1;
        break;
      case 'Strip':
        if (step.content !== ' ' || !isCount(step.start) || (step.stop ?? 0) !== 0) {
          throw badTokenizer(path, 'only a Strip decoder that cuts leading spaces is supported');
        }
        leadingSpaces = step.start;
        break;
      case 'ByteFallback':
        byteFallback = true;
        break;
      case 'Fuse':
        break; // joins the tokens, which decoding does anyway
      default:
        throw badTokenizer(path, `the decoder type ${quoted(step.type)} is not supported`);
    }
  }
  const bytesOf = (entry: string) => {
    const byte = byteFallback ? fallbackByte(entry) : undefined;
    if (byte !== undefined) return Uint8Array.of(byte);
    return Buffer.from(replacements.reduce((text, [from, to]) => text.replaceAll(from, () => to), entry));
  };
  return { spelling: 'byte-fallback', bytesOf, leadingSpaces };
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** The byte that `<0xNN>` stands for. */
function fallbackByte(entry: string): number | undefined {
  const digits = /^<0x([0-9A-Fa-f]{2})>$/.exec(entry)?.[1];
  return digits === undefined ? undefined : Number.parseInt(digits, 16);
}

/** The steps of a pipeline, with Sequences (under `key`) opened; deep nesting is no real file's. */
export function* flatten(step: unknown, key: string, path: string, depth = 0): Generator<Json> {
  if (!isObject(step)) throw badTokenizer(path, `a step of the ${key} is not an object`);
  if (step.type !== 'Sequence') return yield step;
  const inner = step[key];
  if (!Array.isArray(inner) || depth > 8) throw badTokenizer(path, `a Sequence has no list of ${key}`);
  for (const next of inner) yield* flatten(next, key, path, depth + 1);
}
