// Byte-pair encoding of one piece of text: merge the neighbours of the lowest rank, leftmost first, to the end.
// A linked list and a heap make it O(n log n): a prompt of one endless word must not stall the server. The
// merge loop of @huggingface/tokenizers hashes two strings as JSON per pair and was ten times slower.
import { byteCharacters } from './byte-alphabet.ts';
import { MergeHeap } from './merge-heap.ts';
import { PairTable } from './pair-table.ts';
import { badTokenizer, isObject, type Json, type JsonFile, quoted } from './tokenizer-files.ts';
import type { Vocabulary } from './vocabulary.ts';

/** Pieces up to this length are remembered; longer ones seldom come again. */
const CACHED_LENGTH = 64;
/** About 10 MB when full of the longest pieces; when it is, it starts afresh. */
const CACHED_PIECES = 32_768;

export class BytePairs {
  readonly #vocabulary: Vocabulary;
  readonly #merges: PairTable;
  /** A piece that is an entry is taken as such, whatever the merges would make of it. */
  readonly #ignoreMerges: boolean;
  readonly #fuseUnknown: boolean;
  readonly #unknown: number | undefined;
  readonly #byteIds: readonly (number | undefined)[]; // (256)
  /** Whether no token reaches over a word's end, so that words merge apart to the same result. */
  readonly #wordsApart: boolean;
  /** Most UTF-16 units that one token stands for; infinite where text may come to no token at all. */
  readonly #longestToken: number;
  readonly #cache = new Map<string, readonly number[]>();
  readonly #heap = new MergeHeap();

  constructor(
    vocabulary: Vocabulary,
    { model, merges, wordsApart }: { model: Json; merges: PairTable; wordsApart: boolean },
  ) {
    this.#vocabulary = vocabulary;
    this.#merges = merges;
    this.#ignoreMerges = model.ignore_merges === true;
    this.#fuseUnknown = model.fuse_unk === true;
    this.#unknown = typeof model.unk_token === 'string' ? vocabulary.id(model.unk_token) : undefined;
    this.#wordsApart = wordsApart && !this.#ignoreMerges;
    const byteLevel = vocabulary.rule.spelling === 'byte-level';
    const spell = (byte: number) =>
      byteLevel ? byteCharacters[byte]! : `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
    const hasBytes = byteLevel || model.byte_fallback === true;
    this.#byteIds = Array.from({ length: 256 }, (_, byte) =>
      hasBytes ? vocabulary.id(spell(byte)) : undefined,
    );
    this.#longestToken = this.#byteIds.includes(undefined)
      ? Number.POSITIVE_INFINITY
      : vocabulary.longestEntry;
  }

  /** Whether every piece comes to a token at least. */
  get countsEveryPiece(): boolean {
    return Number.isFinite(this.#longestToken);
  }

  /** Appends the ids of a piece that the pre-tokenizer cut. False, and not all of them, where there are more than `most`. */
  encodeInto(ids: number[], piece: string, most: number): boolean {
    for (const word of this.#wordsApart ? wordsOf(piece) : [piece]) {
      // Merging a word of megabytes takes seconds.
      if (ids.length + word.length / this.#longestToken > most) return false;
      for (const id of this.#encodeWord(word)) ids.push(id);
    }
    return ids.length <= most;
  }

  #encodeWord(piece: string): readonly number[] {
    const cached = this.#cache.get(piece);
    if (cached !== undefined) return cached;
    const ids = this.#wholeEntry(piece) ?? this.#merge(this.#symbols(piece));
    if (piece.length <= CACHED_LENGTH) {
      if (this.#cache.size >= CACHED_PIECES) this.#cache.clear();
      this.#cache.set(piece, ids);
    }
    return ids;
  }

  #wholeEntry(piece: string): number[] | undefined {
    if (!this.#ignoreMerges) return undefined;
    const byteLevel = this.#vocabulary.rule.spelling === 'byte-level';
    const entry = byteLevel
      ? Array.from(Buffer.from(piece), (byte) => byteCharacters[byte]!).join('')
      : piece;
    const id = this.#vocabulary.id(entry);
    return id === undefined ? undefined : [id];
  }

  /** The ids merging begins with: one per byte, or one per character with stray bytes where it has no entry. */
  #symbols(piece: string): number[] {
    const ids: number[] = [];
    if (this.#vocabulary.rule.spelling === 'byte-level') {
      for (const byte of Buffer.from(piece)) this.#pushKnown(ids, this.#byteIds[byte]);
      return ids;
    }
    for (const character of piece) {
      const id = this.#vocabulary.id(character);
      if (id !== undefined) ids.push(id);
      else this.#pushBytes(ids, character);
    }
    return ids;
  }

  #pushBytes(ids: number[], character: string): void {
    const bytes = Array.from(Buffer.from(character), (byte) => this.#byteIds[byte]);
    if (bytes.includes(undefined)) this.#pushKnown(ids, undefined);
    else ids.push(...(bytes as number[]));
  }

  /** Without an unknown token, what has no id is left out, as the makers' library does. */
  #pushKnown(ids: number[], id: number | undefined): void {
    const known = id ?? this.#unknown;
    if (known === undefined) return;
    if (id === undefined && this.#fuseUnknown && ids.at(-1) === this.#unknown) return;
    ids.push(known);
  }

  /** Merges in place: `ids` becomes a list linked by `next` and `previous`, a dead position has the id -1. */
  #merge(ids: number[]): readonly number[] {
    const count = ids.length;
    if (count < 2) return ids;
    const next = Int32Array.from(ids, (_, i) => (i + 1 < count ? i + 1 : -1)); // (count)
    const previous = Int32Array.from(ids, (_, i) => i - 1); // (count)
    const heap = this.#heap;
    heap.clear();
    const offer = (left: number) => {
      const right = left < 0 ? -1 : next[left]!;
      const pair = right < 0 ? -1 : this.#merges.find(ids[left]!, ids[right]!);
      if (pair >= 0) heap.push(this.#merges.rank(pair), left);
    };
    for (let i = 0; i + 1 < count; i++) offer(i);
    while (heap.pop()) {
      const left = heap.position;
      const right = ids[left] === -1 ? -1 : next[left]!;
      // The pair may have changed since it was offered; if so, the new pair has been offered as well.
      const pair = right < 0 ? -1 : this.#merges.find(ids[left]!, ids[right]!);
      if (pair < 0 || this.#merges.rank(pair) !== heap.rank) continue;
      ids[left] = this.#merges.merged(pair);
      ids[right] = -1;
      const after = next[right]!;
      next[left] = after;
      if (after >= 0) previous[after] = left;
      offer(previous[left]!);
      offer(left);
    }
    return ids.filter((id) => id >= 0);
  }
}

/** SentencePiece writes a space as U+2581; a Llama 2 tokenizer gets a whole prompt as one piece. */
const wordBorder = /(?<=[^▁])▁/g;

/** One after another, since the whole of a text that is too long is never wanted. */
function* wordsOf(piece: string): Generator<string> {
  let start = 0;
  for (const { index } of piece.matchAll(wordBorder)) {
    yield piece.slice(start, index);
    start = index;
  }
  yield piece.slice(start);
}

/** Throws `bad-tokenizer` for a merge of, or into, a token that the vocabulary lacks. */
export function parseBytePairs(file: JsonFile, vocabulary: Vocabulary): BytePairs {
  const { path, json } = file;
  const model = json.model;
  if (!isObject(model) || (model.type ?? 'BPE') !== 'BPE') {
    const type = quoted(isObject(model) ? model.type : model);
    throw badTokenizer(path, `the model type ${type} is not supported, only "BPE"`);
  }
  for (const key of ['continuing_subword_prefix', 'end_of_word_suffix']) {
    if ((model[key] ?? '') !== '') throw badTokenizer(path, `"model.${key}" is not supported`);
  }
  if (!Array.isArray(model.merges)) throw badTokenizer(path, '"model.merges" is not a list');
  if (model.merges.length > MergeHeap.maxRanks) throw badTokenizer(path, 'it has too many merges');
  const merges = new PairTable(model.merges.length);
  let wordsApart = vocabulary.rule.spelling === 'byte-fallback' && vocabulary.id('▁') !== undefined;
  const known = (entry: string, rank: number) => {
    const id = vocabulary.id(entry);
    if (id !== undefined) return id;
    throw badTokenizer(path, `merge ${rank} needs the token ${quoted(entry)}, which the vocabulary lacks`);
  };
  for (const [rank, merge] of model.merges.entries()) {
    const [first, second] = splitMerge(merge, path);
    const both = first + second;
    merges.set(known(first, rank), known(second, rank), { rank, merged: known(both, rank) });
    wordsApart &&= both.search(wordBorder) < 0;
  }
  return new BytePairs(vocabulary, { model, merges, wordsApart });
}

/** A merge is written "a b" or, since entries may hold spaces, ["a", "b"]. */
function splitMerge(merge: unknown, path: string): readonly [string, string] {
  if (typeof merge === 'string') {
    const space = merge.indexOf(' ');
    if (space >= 0 && merge.indexOf(' ', space + 1) < 0)
      return [merge.slice(0, space), merge.slice(space + 1)];
  } else if (Array.isArray(merge) && merge.length === 2) {
    const [first, second] = merge;
    if (typeof first === 'string' && typeof second === 'string') return [first, second];
  }
  throw badTokenizer(path, `the merge ${quoted(merge)} is not a pair of tokens`);
}
