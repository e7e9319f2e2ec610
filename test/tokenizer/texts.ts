// Random texts and token ids that look for trouble: scripts, emoji, marks, spaces, control tokens, broken bytes.
import fc from 'fast-check';
import type { Tokenizer } from '../../src/tokenizer/tokenizer.ts';
import { novel } from './fixtures.ts';

const snippets = [
  ...novel.slice(0, 4000).split(/(?<= )/),
  ' ',
  '  ',
  '    ',
  '\n',
  '\r\n',
  '\t',
  '\u00a0',
  '\u200b',
  "'s",
  "'LL",
  '12',
  '3',
  '٣',
  '½',
  'é',
  'e\u0301',
  'ß',
  'Ω',
  '漢字',
  'ひらがな',
  '한국어',
  'สวัสดี',
  '🦙',
  '👩‍👩‍👧‍👦',
  '\u{10ffff}',
  '▁',
  'Ġ',
  '<0x41>',
  '<',
  '|>',
  '…',
  '—',
];

/** Plain text without control tokens. */
export const plainText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.array(fc.constantFrom(...snippets), { maxLength: 40 }).map((parts) => parts.join('')),
);

/** Text in which these control tokens occur, whole and broken. */
export function textWith(specials: readonly string[]): fc.Arbitrary<string> {
  const broken = specials.map((content) => content.slice(0, -1));
  return fc
    .array(fc.oneof(plainText, fc.constantFrom(...specials, ...broken)), { maxLength: 8 })
    .map((parts) => parts.join(''));
}

/** Ids in and a little beyond the vocabulary, in runs of bytes often enough to break and to make characters. */
export function tokenIds(tokenizer: Tokenizer): fc.Arbitrary<number[]> {
  const any = fc.integer({ min: 0, max: tokenizer.vocabSize + 3 }).map((id) => [id]);
  const bytes = fc.uint8Array({ maxLength: 6 }).map((run) => byteIds(tokenizer, run));
  const characters = fc
    .string({ unit: 'binary', maxLength: 3 })
    .map((text) => byteIds(tokenizer, Buffer.from(text)));
  const words = plainText.map((text) => [...tokenizer.encode(text, { addSpecialTokens: false })]);
  return fc.array(fc.oneof(any, bytes, characters, words), { maxLength: 20 }).map((runs) => runs.flat());
}

function byteIds(tokenizer: Tokenizer, bytes: Uint8Array): number[] {
  return Array.from(bytes, (byte) => {
    for (let id = 0; id < tokenizer.vocabSize; id++) {
      const own = tokenizer.bytesOf(id);
      if (own.length === 1 && own[0] === byte && !tokenizer.isSpecial(id)) return id;
    }
    throw new Error(`no token for byte ${byte}`);
  });
}
