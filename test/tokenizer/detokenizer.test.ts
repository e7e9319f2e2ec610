// Ids to text: all at once and in pieces the same, final once returned, never half a character.
import { Tokenizer as Library } from '@huggingface/tokenizers';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { loadTokenizer } from '../../src/tokenizer/load-tokenizer.ts';
import type { Tokenizer } from '../../src/tokenizer/tokenizer.ts';
import { demoModel, type Files, folderOf, llama2Like, llama3Like, metaspaceLike, novel } from './fixtures.ts';
import { plainText, tokenIds } from './texts.ts';

const kinds: [string, () => Files][] = [
  ['Llama 3 like', llama3Like],
  ['Llama 2 like', llama2Like],
  ['with Metaspace', metaspaceLike],
];

const options = fc.record({ skipSpecialTokens: fc.boolean(), cleanUpSpaces: fc.boolean() });

/** What decoding means, written another way: all bytes at once, then what is done to the whole text. */
function decoded(
  tokenizer: Tokenizer,
  ids: readonly number[],
  { skipSpecialTokens, cleanUpSpaces }: { skipSpecialTokens: boolean; cleanUpSpaces: boolean },
): string {
  const kept = ids.filter((id) => !(skipSpecialTokens && tokenizer.isSpecial(id)));
  const bytes = Buffer.concat(kept.map((id) => tokenizer.bytesOf(id)));
  let text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
  if (tokenizer.spelling === 'byte-fallback') text = text.replace(/^ /, '');
  if (!cleanUpSpaces) return text;
  // The order of transformers' clean_up_tokenization.
  for (const mark of ['.', '?', '!', ',']) text = text.replaceAll(` ${mark}`, mark);
  text = text.replaceAll(" ' ", "'");
  for (const end of ["n't", "'m", "'s", "'ve", "'re"]) text = text.replaceAll(` ${end}`, end);
  return text;
}

describe.each(kinds)('a tokenizer %s', (_name, make) => {
  test('decodes any ids as joining their bytes does', () => {
    const tokenizer = loadTokenizer(folderOf(make()));
    fc.assert(
      fc.property(tokenIds(tokenizer), options, (ids, how) => {
        expect(tokenizer.decode(ids, how)).toBe(decoded(tokenizer, ids, how));
      }),
      { numRuns: 1000 },
    );
  });

  test('decodes its own encodings as the library of the format makers does', () => {
    const files = make();
    const tokenizer = loadTokenizer(folderOf(files));
    const library = new Library(files.tokenizer, files.config) as {
      decode(ids: number[], options: object): string;
    };
    fc.assert(
      fc.property(plainText, fc.boolean(), fc.boolean(), (text, skip, clean) => {
        // The library's byte decoder takes a leading U+FEFF for a byte order mark and drops it.
        fc.pre(!text.includes('\ufeff'));
        const ids = [...tokenizer.encode(text, { addSpecialTokens: true })];
        const theirs = library.decode(ids, {
          skip_special_tokens: skip,
          clean_up_tokenization_spaces: clean,
        });
        expect(tokenizer.decode(ids, { skipSpecialTokens: skip, cleanUpSpaces: clean })).toBe(theirs);
      }),
      { numRuns: 300 },
    );
  });

  test('streams exactly what decoding at once gives, however the ids are cut', () => {
    const tokenizer = loadTokenizer(folderOf(make()));
    fc.assert(
      fc.property(
        tokenIds(tokenizer),
        fc.infiniteStream(fc.integer({ min: 1, max: 4 })),
        options,
        (ids, cuts, how) => {
          const whole = tokenizer.decode(ids, how);
          const one = tokenizer.detokenizer(how);
          expect(ids.map((id) => one.push(id)).join('') + one.flush()).toBe(whole);
          const several = tokenizer.detokenizer(how);
          let text = '';
          for (let at = 0; at < ids.length; ) {
            const end = at + cuts.next().value;
            text += several.push(Int32Array.from(ids.slice(at, end)));
            at = end;
          }
          expect(text + several.flush()).toBe(whole);
        },
      ),
      { numRuns: 1000 },
    );
  });

  test('never returns text that another continuation would have made different', () => {
    const tokenizer = loadTokenizer(folderOf(make()));
    fc.assert(
      fc.property(tokenIds(tokenizer), tokenIds(tokenizer), options, (ids, others, how) => {
        const detokenizer = tokenizer.detokenizer(how);
        const text = ids.map((id) => detokenizer.push(id)).join('');
        expect(tokenizer.decode([...ids, ...others], how).startsWith(text)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  test('never ends a piece inside a character, and gives every character as soon as it is whole', () => {
    const tokenizer = loadTokenizer(folderOf(make()));
    fc.assert(
      fc.property(plainText, (text) => {
        const ids = tokenizer.encode(text, { parseSpecialTokens: false });
        const detokenizer = tokenizer.detokenizer();
        let seen = '';
        for (let count = 1; count <= ids.length; count++) {
          const piece = detokenizer.push(ids[count - 1]!);
          expect(piece).not.toMatch(/[\ud800-\udbff]$|^[\udc00-\udfff]/);
          seen += piece;
          // Text is valid UTF-8, so only a character cut short can be missing.
          expect(tokenizer.decode(ids.slice(0, count)).replace(/\ufffd+$/, '')).toBe(
            seen.replace(/\ufffd+$/, ''),
          );
        }
      }),
      { numRuns: 200 },
    );
  });

  test('continues a prompt as if both had been decoded together', () => {
    const tokenizer = loadTokenizer(folderOf(make()));
    fc.assert(
      fc.property(
        tokenIds(tokenizer),
        tokenIds(tokenizer),
        fc.boolean(),
        (prompt, ids, skipSpecialTokens) => {
          const before = tokenizer.detokenizer({ skipSpecialTokens });
          const certain = before.push(prompt);
          const detokenizer = tokenizer.detokenizer({ skipSpecialTokens, after: prompt });
          const text = detokenizer.push(ids) + detokenizer.flush();
          expect(certain + text).toBe(tokenizer.decode([...prompt, ...ids], { skipSpecialTokens }));
        },
      ),
      { numRuns: 500 },
    );
  });
});

test('a Llama 2 text keeps its leading space after a prompt and loses it without one', () => {
  const tokenizer = loadTokenizer(folderOf(llama2Like()));
  const [, ...ids] = tokenizer.encode('the moor');
  expect(tokenizer.decode(ids)).toBe('the moor');
  const detokenizer = tokenizer.detokenizer({ after: tokenizer.encode('On') });
  expect(detokenizer.push(ids) + detokenizer.flush()).toBe(' the moor');
});

test('an emoji of four byte tokens appears with the fourth', () => {
  const tokenizer = loadTokenizer(folderOf(llama2Like()));
  const ids = tokenizer.encode('🦙', { addSpecialTokens: false });
  const detokenizer = tokenizer.detokenizer();
  expect(Array.from(ids, (id) => detokenizer.push(id))).toEqual(['', '', '', '', '🦙']);
});

test('a character cut short at the end becomes U+FFFD when flushed, not before', () => {
  const tokenizer = loadTokenizer(folderOf(llama2Like()));
  const ids = tokenizer.encode('🦙', { addSpecialTokens: false }).subarray(0, 3);
  const detokenizer = tokenizer.detokenizer();
  expect(detokenizer.push(ids)).toBe('');
  expect(detokenizer.flush()).toBe('\ufffd');
});

test('the time per token does not grow with the text', () => {
  const tokenizer = loadTokenizer(demoModel);
  const ids = tokenizer.encode(novel.repeat(4));
  const time = (count: number) => {
    const detokenizer = tokenizer.detokenizer();
    const began = performance.now();
    for (let i = 0; i < count; i++) detokenizer.push(ids[i]!);
    return (performance.now() - began) / count;
  };
  time(ids.length);
  const short = Math.min(...Array.from({ length: 9 }, () => time(1000)));
  const long = Math.min(...Array.from({ length: 3 }, () => time(ids.length)));
  // 30 times the text: decoding it anew for each token would take 30 times as long per token.
  expect(long).toBeLessThan(8 * short);
});
