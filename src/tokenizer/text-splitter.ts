// Normaliser and pre-tokenizer: plain text in, the pieces that byte-pair encoding works on out.
// The pre-tokenizers of @huggingface/tokenizers are not used: they know two of the five Split behaviours,
// drop text for an inverted one, leave Metaspace's "split" out, read \s as JavaScript does in ByteLevel
// (U+FEFF counts, U+0085 does not) and see ASCII digits only. Here every pre-tokenizer is a Split, or Metaspace.
import { reasonOf } from '../errors.ts';
import { flatten } from './decoding-rule.ts';
import { libraryNormalizer, libraryPattern } from './library-rules.ts';
import {
  badTokenizer,
  isObject,
  type Json,
  type JsonFile,
  optionalObject,
  quoted,
} from './tokenizer-files.ts';

interface CutOptions {
  /** The text begins here. */
  readonly atStart: boolean;
  /** More pieces than so many need not be cut: the text is too long already. */
  readonly most: number;
}

/** Cuts one piece further. */
type Step = (piece: string, options: CutOptions) => string[];

export interface SplitTextOptions {
  readonly atStart: boolean;
  readonly most?: number;
}

export class TextSplitter {
  readonly #normalize: (text: string) => string;
  readonly #steps: readonly Step[];

  constructor(normalize: (text: string) => string, steps: readonly Step[]) {
    this.#normalize = normalize;
    this.#steps = steps;
  }

  /**
   * The pieces of a section between added tokens, in order; `atStart` if no text comes before it. Of a section of more than
   * `most` pieces it gives as many and some, but perhaps not all.
   */
  split(section: string, { atStart, most = Number.POSITIVE_INFINITY }: SplitTextOptions): string[] {
    let pieces = [section === '' ? '' : this.#normalize(section)];
    for (const [k, step] of this.#steps.entries()) {
      // What an earlier step makes may be taken away by a later one.
      const limit = k === this.#steps.length - 1 ? most : Number.POSITIVE_INFINITY;
      pieces = pieces.flatMap((piece, i) =>
        piece === '' ? [] : step(piece, { atStart: atStart && i === 0, most: limit }),
      );
    }
    return pieces.filter((piece) => piece !== '');
  }
}

/** Throws `bad-tokenizer` for a normaliser or pre-tokenizer that cannot be followed to the letter. */
export function parseTextSplitter(file: JsonFile): TextSplitter {
  const preTokenizer = optionalObject(file, 'pre_tokenizer');
  const configs = preTokenizer === undefined ? [] : [...flatten(preTokenizer, 'pretokenizers', file.path)];
  return new TextSplitter(
    parseNormalizer(file),
    configs.flatMap((config) => parseStep(config, file.path)),
  );
}

function parseNormalizer(file: JsonFile): (text: string) => string {
  const config = optionalObject(file, 'normalizer');
  const steps = config === undefined ? [] : [...flatten(config, 'normalizers', file.path)];
  const normalizers = steps.map((step) => parseNormalizerStep(step, file.path));
  return (text) => normalizers.reduce((normalized, normalize) => normalize(normalized), text);
}

function parseNormalizerStep(config: Json, path: string): (text: string) => string {
  switch (config.type) {
    case 'Replace':
      compile(config.pattern, path); // the library only warns of a bad one
      if (typeof config.content !== 'string')
        throw badTokenizer(path, 'a Replace normalizer needs a "content"');
      // It also hands the content to JavaScript's replaceAll, where a dollar sign has a meaning.
      return libraryNormalizer({ ...config, content: config.content.replaceAll('$', '$$$$') });
    case 'Prepend':
      if (typeof config.prepend !== 'string') throw badTokenizer(path, 'a Prepend normalizer needs a string');
      return libraryNormalizer(config);
    case 'NFC':
    case 'NFD':
    case 'NFKC':
    case 'NFKD':
    case 'Lowercase':
    case 'Strip':
    case 'StripAccents':
      return libraryNormalizer(config);
    default:
      throw badTokenizer(path, `the normalizer type ${quoted(config.type)} is not supported`);
  }
}

/** The words of GPT-2, which ByteLevel cuts unless told not to. */
const gpt2Words = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;
const punctuation = String.raw`[\p{P}\x21-\x2F\x3A-\x40\x5B-\x60\x7B-\x7E]`;

function parseStep(config: Json, path: string): Step[] {
  const split = (source: string, behavior: unknown, invert = false) =>
    splitter(compile({ Regex: source }, path), { behavior, invert, path });
  switch (config.type) {
    case 'ByteLevel': {
      const steps: Step[] = [];
      if (config.add_prefix_space === true) steps.push((piece) => [/^\s/u.test(piece) ? piece : ` ${piece}`]);
      if (config.use_regex !== false) steps.push(split(gpt2Words, 'Isolated'));
      return steps;
    }
    case 'Metaspace':
      return [metaspace(config, path)];
    case 'Split': {
      const pattern = compile(config.pattern, path);
      return [splitter(pattern, { behavior: config.behavior, invert: config.invert === true, path })];
    }
    case 'Digits':
      return [split(config.individual_digits === true ? String.raw`\p{N}` : String.raw`\p{N}+`, 'Isolated')];
    case 'Punctuation':
      return [split(punctuation, config.behavior ?? 'Isolated')];
    case 'Whitespace':
      return [split(String.raw`\w+|[^\w\s]+`, 'Removed', true)];
    case 'WhitespaceSplit':
      return [split(String.raw`\s`, 'Removed')];
    default:
      throw badTokenizer(path, `the pre-tokenizer type ${quoted(config.type)} is not supported`);
  }
}

/** The pattern of a config as a global regular expression of JavaScript. */
function compile(pattern: unknown, path: string): RegExp {
  const source = isObject(pattern) ? (pattern.Regex ?? pattern.String) : undefined;
  if (!isObject(pattern) || typeof source !== 'string' || source === '') {
    throw badTokenizer(path, `the pattern ${quoted(pattern)} has neither a "Regex" nor a "String"`);
  }
  try {
    return libraryPattern(typeof pattern.Regex === 'string' ? { Regex: source } : { String: source });
  } catch (error) {
    throw badTokenizer(path, `the pattern ${quoted(source)} is not supported: ${reasonOf(error)}`, error);
  }
}

interface SplitOptions {
  /** What becomes of a match, of what is between matches if inverted. */
  readonly behavior: unknown;
  readonly invert: boolean;
  readonly path: string;
}

function splitter(pattern: RegExp, { behavior, invert, path }: SplitOptions): Step {
  const join =
    typeof behavior === 'string' ? behaviors[behavior.toLowerCase().replaceAll('_', '')] : undefined;
  if (join === undefined) throw badTokenizer(path, `the split behavior ${quoted(behavior)} is not supported`);
  const keepsAll = join === behaviors.isolated;
  return (piece, { most }) => {
    const parts: Part[] = [];
    let end = 0;
    for (const match of piece.matchAll(pattern)) {
      if (match.index > end) parts.push({ text: piece.slice(end, match.index), delimiter: invert });
      if (match[0] !== '') parts.push({ text: match[0], delimiter: !invert });
      end = match.index + match[0].length;
      if (keepsAll && parts.length > most) return join(parts);
    }
    if (end < piece.length) parts.push({ text: piece.slice(end), delimiter: invert });
    return join(parts);
  };
}

interface Part {
  readonly text: string;
  readonly delimiter: boolean;
}

const behaviors: Readonly<Record<string, (parts: readonly Part[]) => string[]>> = {
  isolated: (parts) => parts.map(({ text }) => text),
  removed: (parts) => parts.filter(({ delimiter }) => !delimiter).map(({ text }) => text),
  contiguous: (parts) => joined(parts, (before, part) => before.delimiter === part.delimiter),
  mergedwithprevious: (parts) => joined(parts, (before, part) => part.delimiter && !before.delimiter),
  mergedwithnext: (parts) => joined(parts, (before, part) => before.delimiter && !part.delimiter),
};

/** Joins each part to the one before it where `joins` says so. */
function joined(parts: readonly Part[], joins: (before: Part, part: Part) => boolean): string[] {
  const texts: string[] = [];
  for (const [i, part] of parts.entries()) {
    const before = parts[i - 1];
    if (before !== undefined && joins(before, part)) texts.push(`${texts.pop()}${part.text}`);
    else texts.push(part.text);
  }
  return texts;
}

function metaspace(config: Json, path: string): Step {
  const mark = config.replacement ?? '▁';
  // Files from before prepend_scheme have a flag.
  const scheme = config.prepend_scheme ?? (config.add_prefix_space === false ? 'never' : 'always');
  if (typeof mark !== 'string' || [...mark].length !== 1 || !/^(always|first|never)$/.test(String(scheme))) {
    throw badTokenizer(path, 'a Metaspace pre-tokenizer has an unknown replacement or prepend_scheme');
  }
  const border = new RegExp(`(?=\\u{${mark.codePointAt(0)!.toString(16)}})`, 'u');
  return (piece, { atStart }) => {
    const marked = piece.replaceAll(' ', mark);
    const prepend = !marked.startsWith(mark) && (scheme === 'always' || (scheme === 'first' && atStart));
    const text = prepend ? mark + marked : marked;
    return config.split === false ? [text] : text.split(border);
  };
}
