// Token ids to text, a few at a time, for one sequence: what it returned is final, and all of it joined is
// exactly what decoding at once gives, since decoding at once is this as well. The work per token is constant.
import { CleanUp } from './clean-up.ts';
import { certainLength } from './utf8.ts';
import type { Vocabulary } from './vocabulary.ts';

export interface DecodeOptions {
  /** Leave special tokens out of the text. Default true. */
  readonly skipSpecialTokens?: boolean;
  /** Take out spaces before punctuation as transformers may do; default false, since it alters code. */
  readonly cleanUpSpaces?: boolean;
}

export interface DetokenizerOptions extends DecodeOptions {
  /** Ids the sequence continues, not part of the text: a Llama 2 text then keeps its leading space. */
  readonly after?: ArrayLike<number>;
}

export class Detokenizer {
  readonly #vocabulary: Vocabulary;
  readonly #skipSpecial: boolean;
  readonly #cleanUp: CleanUp | undefined;
  /** Bytes that begin a character; at most 3. */
  #open: Uint8Array = nothing;
  /** Spaces that may still be cut from the text's start. */
  #leadingSpaces: number;

  constructor(vocabulary: Vocabulary, options: DetokenizerOptions = {}) {
    const { skipSpecialTokens = true, cleanUpSpaces = false, after = [] } = options;
    this.#vocabulary = vocabulary;
    this.#skipSpecial = skipSpecialTokens;
    this.#leadingSpaces = vocabulary.rule.leadingSpaces;
    for (let i = 0; i < after.length; i++) this.#next(after[i]!);
    if (cleanUpSpaces) this.#cleanUp = new CleanUp();
  }

  /** Adds ids and returns the text that has become certain, perhaps none. An id without a token adds nothing. */
  push(ids: number | ArrayLike<number>): string {
    if (typeof ids === 'number') return this.#clean(this.#next(ids));
    let text = '';
    for (let i = 0; i < ids.length; i++) text += this.#next(ids[i]!);
    return this.#clean(text);
  }

  /** The sequence has ended: returns what was held back. A character cut short becomes U+FFFD. */
  flush(): string {
    const text = this.#trim(textOf(this.#open));
    this.#open = nothing;
    return this.#clean(text) + (this.#cleanUp?.flush() ?? '');
  }

  #next(id: number): string {
    if (this.#skipSpecial && this.#vocabulary.isSpecial(id)) return '';
    if (this.#open.length === 0) {
      const text = this.#vocabulary.wholeText(id);
      if (text !== null) return this.#trim(text);
    }
    const bytes = Buffer.concat([this.#open, this.#vocabulary.bytes(id)]);
    const certain = certainLength(bytes);
    this.#open = bytes.subarray(certain);
    return this.#trim(textOf(bytes.subarray(0, certain)));
  }

  #trim(text: string): string {
    if (this.#leadingSpaces === 0 || text === '') return text;
    let cut = 0;
    while (cut < this.#leadingSpaces && text[cut] === ' ') cut++;
    this.#leadingSpaces = cut === text.length ? this.#leadingSpaces - cut : 0;
    return text.slice(cut);
  }

  #clean(text: string): string {
    return this.#cleanUp === undefined ? text : this.#cleanUp.push(text);
  }
}

const nothing = new Uint8Array(0);

const textOf = (bytes: Uint8Array) =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
