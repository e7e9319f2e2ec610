// Text <-> token ids of one model, and its chat template: the face of this room.
// Immutable but for caches; it knows nothing of tensors, requests or sockets.
import { AtomError } from '../errors.ts';
import { AddedTokenFinder } from './added-tokens.ts';
import type { BytePairs } from './byte-pairs.ts';
import type { ChatRequest, ChatTemplate } from './chat-template.ts';
import { type DecodeOptions, Detokenizer, type DetokenizerOptions } from './detokenizer.ts';
import { guardContent } from './guarded-content.ts';
import type { SpecialTokens } from './special-tokens.ts';
import type { TextSplitter } from './text-splitter.ts';
import type { Vocabulary } from './vocabulary.ts';

export interface EncodeOptions {
  /** A text with more tokens is given up at the first that is too many. Default: no limit. */
  readonly maxTokens?: number;
  /** Add what the model expects around a text, usually one bos. Default true. */
  readonly addSpecialTokens?: boolean;
  /** Read `<|eos|>` and the like in the text as the token; if false they are text. Default true. */
  readonly parseSpecialTokens?: boolean;
}

export interface EncodeChatOptions extends ChatRequest {
  /** Read special tokens inside messages and tools as the token, as peers do; if false they are text. Default true. */
  readonly parseSpecialTokensInContent?: boolean;
  /** As in `EncodeOptions`. */
  readonly maxTokens?: number;
}

export interface TokenizerParts {
  readonly vocabulary: Vocabulary;
  readonly bytePairs: BytePairs;
  readonly splitter: TextSplitter;
  readonly specialTokens: SpecialTokens;
  readonly chatTemplate: ChatTemplate;
}

export class Tokenizer {
  readonly bosId: number | undefined;
  readonly eosId: number | undefined;
  readonly padId: number | undefined;
  readonly #parts: TokenizerParts;
  readonly #finder: AddedTokenFinder;

  /** Made by `loadTokenizer`. */
  constructor(parts: TokenizerParts) {
    this.#parts = parts;
    this.#finder = new AddedTokenFinder(parts.vocabulary.addedTokens);
    this.bosId = parts.specialTokens.bosId;
    this.eosId = parts.specialTokens.eosId;
    this.padId = parts.specialTokens.padId;
  }

  /** Highest token id + 1; the model may have more rows. */
  get vocabSize(): number {
    return this.#parts.vocabulary.size;
  }

  /** How `entry` spells tokens: in GPT-2's byte alphabet, or as text with `<0xNN>` for stray bytes. */
  get spelling(): 'byte-level' | 'byte-fallback' {
    return this.#parts.vocabulary.rule.spelling;
  }

  /** Renders messages as text; it knows whether the model has a template at all. */
  get chatTemplate(): ChatTemplate {
    return this.#parts.chatTemplate;
  }

  /** Throws `context-length-exceeded` beyond `maxTokens`. */
  encode(text: string, options: EncodeOptions = {}): Int32Array {
    const { addSpecialTokens = true, parseSpecialTokens = true, maxTokens } = options;
    const { before, after } = this.#parts.specialTokens;
    const ids = addSpecialTokens ? [...before] : [];
    this.#encodeInto(ids, text, { parseSpecial: parseSpecialTokens, maxTokens });
    if (addSpecialTokens) ids.push(...after);
    return Int32Array.from(ids);
  }

  /**
   * The ids of a chat prompt. The template writes bos itself, so none is added.
   * Throws `bad-request` when there is no template or it refuses the messages, `context-length-exceeded` beyond `maxTokens`.
   */
  encodeChat({ parseSpecialTokensInContent = true, maxTokens, ...request }: EncodeChatOptions): Int32Array {
    const ids: number[] = [];
    if (parseSpecialTokensInContent) {
      this.#encodeInto(ids, this.chatTemplate.render(request), { parseSpecial: true, maxTokens });
    } else {
      const { messages, tools } = request;
      const { guarded, guard } = guardContent(
        { messages, ...(tools && { tools }) },
        this.#parts.vocabulary.addedTokens,
      );
      this.#encodeInto(ids, this.chatTemplate.render({ ...request, ...guarded }), {
        parseSpecial: true,
        guard,
        maxTokens,
      });
    }
    return Int32Array.from(ids);
  }

  /** Bytes that are no UTF-8 become U+FFFD, ids without a token nothing. */
  decode(ids: ArrayLike<number>, options: DecodeOptions = {}): string {
    const detokenizer = new Detokenizer(this.#parts.vocabulary, options);
    return detokenizer.push(ids) + detokenizer.flush();
  }

  /** Decodes one sequence as it is generated. */
  detokenizer(options: DetokenizerOptions = {}): Detokenizer {
    return new Detokenizer(this.#parts.vocabulary, options);
  }

  /** The id of an entry as the vocabulary spells it, e.g. `<|eot_id|>`, `Ġhello` or `▁hello`. */
  idOf(entry: string): number | undefined {
    return this.#parts.vocabulary.id(entry);
  }

  /** The entry as the vocabulary spells it; undefined for an id without one. */
  entryOf(id: number): string | undefined {
    return this.#parts.vocabulary.entry(id);
  }

  /** The UTF-8 bytes the token adds to a text, maybe part of a character; none for an id without a token. */
  bytesOf(id: number): Uint8Array {
    return Uint8Array.from(this.#parts.vocabulary.bytes(id));
  }

  /** The token alone as text; bytes that are no whole character show as U+FFFD. */
  textOf(id: number): string {
    return (
      this.#parts.vocabulary.wholeText(id) ?? Buffer.from(this.#parts.vocabulary.bytes(id)).toString('utf8')
    );
  }

  /** Whether the token controls the model rather than being text. */
  isSpecial(id: number): boolean {
    return this.#parts.vocabulary.isSpecial(id);
  }

  /** `guard`: a character that kept user text from being read as tokens; it is no part of the text. */
  #encodeInto(ids: number[], text: string, { parseSpecial, guard, maxTokens }: Parsing): void {
    const { bytePairs, splitter } = this.#parts;
    const most = maxTokens ?? Number.POSITIVE_INFINITY;
    const tooLong = () =>
      new AtomError('context-length-exceeded', `the text has more than ${maxTokens} tokens; shorten it`);
    for (const section of this.#finder.sections(text, { parseSpecial })) {
      if (ids.length > most) throw tooLong();
      if ('id' in section) {
        ids.push(section.id);
        continue;
      }
      const plain = guard === undefined ? section.text : section.text.replaceAll(guard, '');
      const left = bytePairs.countsEveryPiece ? most - ids.length : Number.POSITIVE_INFINITY;
      for (const piece of splitter.split(plain, { atStart: section.start === 0, most: left }))
        if (!bytePairs.encodeInto(ids, piece, most)) throw tooLong();
    }
  }
}

interface Parsing {
  readonly parseSpecial: boolean;
  readonly guard?: string;
  readonly maxTokens: number | undefined;
}
