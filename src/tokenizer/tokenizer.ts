// Text to token ids and back. Encoding is the format maker's own library; decoding goes through each token's bytes, so
// that pieces of a stream and the whole text are the same by construction.
import type { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { AtomError } from '../errors.ts';
import { Detokenizer } from './detokenizer.ts';

export interface SpecialTokens {
  readonly bos?: number;
  readonly eos?: number;
  readonly pad?: number;
}

export interface EncodeOptions {
  /** Adds what the model wants around a text, usually a leading BOS. On by default. */
  readonly addSpecialTokens?: boolean;
}

export interface DecodeOptions {
  /** Leaves out control tokens such as BOS and EOS. On by default. */
  readonly skipSpecialTokens?: boolean;
}

export class Tokenizer {
  /** One more than the largest id. */
  readonly vocabSize: number;
  readonly specialTokens: SpecialTokens;
  /** Whether decoded text loses the one space that encoding puts in front (SentencePiece). */
  readonly stripsLeadingSpace: boolean;
  readonly #library: HuggingFaceTokenizer;
  readonly #bytes: readonly (Uint8Array | undefined)[]; // by id
  readonly #control: ReadonlySet<number>;

  constructor(parts: {
    library: HuggingFaceTokenizer;
    bytes: readonly (Uint8Array | undefined)[];
    control: ReadonlySet<number>;
    specialTokens: SpecialTokens;
    stripsLeadingSpace: boolean;
  }) {
    this.#library = parts.library;
    this.#bytes = parts.bytes;
    this.#control = parts.control;
    this.specialTokens = parts.specialTokens;
    this.stripsLeadingSpace = parts.stripsLeadingSpace;
    this.vocabSize = parts.bytes.length;
  }

  encode(text: string, { addSpecialTokens = true }: EncodeOptions = {}): Int32Array {
    return Int32Array.from(this.#library.encode(text, { add_special_tokens: addSpecialTokens }).ids);
  }

  /** Invalid UTF-8 becomes U+FFFD. Throws `bad-request` for an id outside the vocabulary. */
  decode(ids: ArrayLike<number>, options: DecodeOptions = {}): string {
    const detokenizer = this.detokenizer(options);
    return detokenizer.push(ids) + detokenizer.flush();
  }

  /** A stream of ids to a stream of text, for one sequence. */
  detokenizer({ skipSpecialTokens = true }: DecodeOptions = {}): Detokenizer {
    return new Detokenizer({
      stripLeadingSpace: this.stripsLeadingSpace,
      bytesOf: (id) => (skipSpecialTokens && this.#control.has(id) ? empty : this.bytesOf(id)),
    });
  }

  /** The bytes a token stands for. Ids that a padded vocabulary leaves unused stand for nothing. */
  bytesOf(id: number): Uint8Array {
    if (!Number.isInteger(id) || id < 0) throw new AtomError('bad-request', `${id} is not a token id`);
    return this.#bytes[id] ?? empty;
  }

  /** The id of a piece as the vocabulary spells it, control tokens included. */
  idOf(piece: string): number | undefined {
    return this.#library.token_to_id(piece);
  }

  /** The piece as the vocabulary spells it. */
  pieceOf(id: number): string | undefined {
    return this.#library.id_to_token(id);
  }

  isControl(id: number): boolean {
    return this.#control.has(id);
  }
}

const empty = new Uint8Array(0);
