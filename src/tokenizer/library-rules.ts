// The two things taken from @huggingface/tokenizers: its normalisers, and its translation of the Oniguruma
// patterns in tokenizer.json to JavaScript's regular expressions. Its type files do not resolve under Node's
// rules for modules, so the types here are ours.
import { Tokenizer } from '@huggingface/tokenizers';
import type { Json } from './tokenizer-files.ts';

interface LibraryTokenizer {
  readonly normalizer: { normalize(text: string): string } | null;
  readonly pre_tokenizer: { readonly pattern?: RegExp | null } | null;
}

/** The library makes these only as parts of a tokenizer, so it gets one with an empty vocabulary. */
function libraryTokenizer(parts: { normalizer?: Json; pre_tokenizer?: Json }): LibraryTokenizer {
  const none = { normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null };
  const model = { type: 'BPE', vocab: {}, merges: [] };
  return new Tokenizer({ ...none, ...parts, model, added_tokens: [] }, {}) as LibraryTokenizer;
}

/** The normaliser of one config that the library knows. */
export function libraryNormalizer(config: Json): (text: string) => string {
  const { normalizer } = libraryTokenizer({ normalizer: config });
  return (text) => normalizer?.normalize(text) ?? text;
}

/** A pattern as a global, Unicode-aware RegExp. Throws a plain Error for what JavaScript cannot express. */
export function libraryPattern(pattern: { Regex: string } | { String: string }): RegExp {
  const config = { type: 'Split', pattern, behavior: 'Isolated', invert: false };
  const compiled = libraryTokenizer({ pre_tokenizer: config }).pre_tokenizer?.pattern;
  if (compiled instanceof RegExp) return compiled;
  throw new Error('the library has no regular expression for it');
}
