// The bytes that each token stands for, for both families of byte-pair vocabularies.
// Byte-level (GPT-2, Llama 3, Qwen): every character of a piece is one byte, through GPT-2's table.
// SentencePiece (Llama 2, Mistral): pieces are text with U+2581 for a space, and <0xHH> for a byte.
import { AtomError } from '../errors.ts';

export type Alphabet = 'byte-level' | 'sentencepiece';

/** GPT-2's reversible map: printable bytes stand for themselves, the others for characters from U+0100 on. */
const byteOfCharacter: ReadonlyMap<string, number> = (() => {
  const map = new Map<string, number>();
  let next = 0x100;
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    map.set(String.fromCodePoint(printable ? byte : next++), byte);
  }
  return map;
})();

const utf8 = new TextEncoder();

/** The bytes of an ordinary piece of the vocabulary. Throws `bad-tokenizer` for one that is not of the alphabet. */
export function bytesOfPiece(piece: string, alphabet: Alphabet): Uint8Array {
  if (alphabet === 'sentencepiece') {
    const byte = /^<0x([0-9A-Fa-f]{2})>$/.exec(piece);
    return byte ? Uint8Array.of(Number.parseInt(byte[1]!, 16)) : utf8.encode(piece.replaceAll('\u2581', ' '));
  }
  return Uint8Array.from(piece, (character) => {
    const byte = byteOfCharacter.get(character);
    if (byte === undefined) {
      throw new AtomError(
        'bad-tokenizer',
        `the piece ${JSON.stringify(piece)} is not written in the byte-level alphabet`,
      );
    }
    return byte;
  });
}
