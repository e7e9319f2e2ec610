// Pre-tokenizers, each against what the format's documentation says of it.
import { describe, expect, test } from 'vitest';
import { parseTextSplitter } from '../../src/tokenizer/text-splitter.ts';
import { expectError, llama3Pattern } from './fixtures.ts';

function split(
  preTokenizer: unknown,
  text: string,
  { atStart = true, most = Infinity, normalizer = null as unknown } = {},
) {
  const json = { pre_tokenizer: preTokenizer, normalizer };
  return parseTextSplitter({ path: 'tokenizer.json', json }).split(text, { atStart, most });
}

describe('a Split', () => {
  // The example of Hugging Face's documentation of SplitDelimiterBehavior.
  const text = 'the-final--countdown';
  test.each([
    ['Removed', ['the', 'final', 'countdown']],
    ['Isolated', ['the', '-', 'final', '-', '-', 'countdown']],
    ['MergedWithPrevious', ['the-', 'final-', '-', 'countdown']],
    ['MergedWithNext', ['the', '-final', '-', '-countdown']],
    ['Contiguous', ['the', '-', 'final', '--', 'countdown']],
  ])('with the behavior %s cuts as documented', (behavior, pieces) => {
    expect(split({ type: 'Split', pattern: { String: '-' }, behavior, invert: false }, text)).toEqual(pieces);
  });

  test('that is inverted takes what is between the matches for the delimiter', () => {
    const words = (behavior: string) =>
      split({ type: 'Split', pattern: { Regex: '[a-z]+' }, behavior, invert: true }, 'ab 12 cd');
    expect(words('Removed')).toEqual(['ab', 'cd']);
    expect(words('Isolated')).toEqual(['ab', ' 12 ', 'cd']);
    expect(words('MergedWithPrevious')).toEqual(['ab 12 ', 'cd']);
  });

  test('understands the pattern of Llama 3, letter case of contractions included', () => {
    const config = { type: 'Split', pattern: { Regex: llama3Pattern }, behavior: 'Isolated', invert: false };
    expect(split(config, "I'LL go  at 12345 o'clock!\r\n\n x")).toEqual([
      'I',
      "'LL",
      ' go',
      ' ',
      ' at',
      ' ',
      '123',
      '45',
      ' o',
      "'clock",
      '!\r\n\n',
      ' x',
    ]);
  });
});

test('what is too long is cut to its first pieces, unless some of these may yet be taken away', () => {
  const text = 'the sea '.repeat(1000);
  const isolated = { type: 'Split', pattern: { Regex: '[a-z]+' }, behavior: 'Isolated', invert: false };
  const pieces = split(isolated, text, { most: 10 });
  expect([pieces.length > 10, pieces.length < 20]).toEqual([true, true]);
  expect(text.startsWith(pieces.join(''))).toBe(true);
  expect(split(isolated, text, { most: 4000 })).toHaveLength(4000);
  const blanks = { type: 'Split', pattern: { Regex: ' ' }, behavior: 'Removed', invert: false };
  const both = { type: 'Sequence', pretokenizers: [isolated, blanks] };
  for (const config of [blanks, both]) expect(split(config, text, { most: 10 })).toHaveLength(2000);
});

describe('ByteLevel', () => {
  test("cuts GPT-2's words", () => {
    expect(split({ type: 'ByteLevel', add_prefix_space: false }, "He's  here, 42 times")).toEqual([
      'He',
      "'s",
      ' ',
      ' here',
      ',',
      ' 42',
      ' times',
    ]);
  });

  test('takes U+0085 for white space and U+FEFF for none, unlike JavaScript', () => {
    expect(split({ type: 'ByteLevel', add_prefix_space: false }, '\ufeff.\u0085a')).toEqual([
      '\ufeff.',
      '\u0085',
      'a',
    ]);
  });

  test('puts a space before a text that has none, where told to', () => {
    expect(split({ type: 'ByteLevel', add_prefix_space: true }, 'a b')).toEqual([' a', ' b']);
    expect(split({ type: 'ByteLevel', add_prefix_space: true }, ' a b')).toEqual([' a', ' b']);
  });
});

describe('Metaspace', () => {
  const config = { type: 'Metaspace', replacement: '▁' };

  test('cuts before each mark unless told not to', () => {
    expect(split({ ...config, prepend_scheme: 'always' }, 'Hey  you')).toEqual(['▁Hey', '▁', '▁you']);
    expect(split({ ...config, prepend_scheme: 'always', split: false }, 'Hey  you')).toEqual(['▁Hey▁▁you']);
  });

  test('puts the mark first always, only at the start of the text, or never', () => {
    const pieces = (prepend_scheme: string, atStart: boolean) =>
      split({ ...config, prepend_scheme }, 'a', { atStart });
    expect([pieces('always', true), pieces('always', false)]).toEqual([['▁a'], ['▁a']]);
    expect([pieces('first', true), pieces('first', false)]).toEqual([['▁a'], ['a']]);
    expect([pieces('never', true), pieces('never', false)]).toEqual([['a'], ['a']]);
  });

  test('reads the flag of files from before prepend_scheme', () => {
    expect(split({ ...config, add_prefix_space: false }, 'a')).toEqual(['a']);
    expect(split({ ...config, add_prefix_space: true }, 'a')).toEqual(['▁a']);
  });
});

test('Digits knows the digits of every script', () => {
  expect(split({ type: 'Digits', individual_digits: true }, 'a12٣b')).toEqual(['a', '1', '2', '٣', 'b']);
  expect(split({ type: 'Digits', individual_digits: false }, 'a12٣b')).toEqual(['a', '12٣', 'b']);
});

test('Punctuation and white space cut as documented', () => {
  expect(split({ type: 'Punctuation' }, 'a?!b')).toEqual(['a', '?', '!', 'b']);
  expect(split({ type: 'Punctuation', behavior: 'Contiguous' }, 'a?!b')).toEqual(['a', '?!', 'b']);
  expect(split({ type: 'Whitespace' }, 'Hi, you!')).toEqual(['Hi', ',', 'you', '!']);
  expect(split({ type: 'WhitespaceSplit' }, 'Hi,  you!')).toEqual(['Hi,', 'you!']);
});

test('a Sequence cuts the pieces of one step with the next', () => {
  const config = { type: 'Sequence', pretokenizers: [{ type: 'WhitespaceSplit' }, { type: 'Digits' }] };
  expect(split(config, 'a12 3b')).toEqual(['a', '12', '3', 'b']);
});

test('normalisers come first, in their order', () => {
  const normalizer = {
    type: 'Sequence',
    normalizers: [
      { type: 'NFC' },
      { type: 'Lowercase' },
      { type: 'Replace', pattern: { Regex: ' +' }, content: ' ' },
      { type: 'Replace', pattern: { String: 'b' }, content: '$&$$' },
      { type: 'Prepend', prepend: '^' },
    ],
  };
  expect(split(null, 'E\u0301  Ab', { normalizer })).toEqual(['^é a$&$$']);
});

test('an empty text has no pieces', () => {
  expect(split(null, '', { normalizer: { type: 'Prepend', prepend: '▁' } })).toEqual([]);
});

test.each([
  [{ type: 'UnicodeScripts' }, 'UnicodeScripts'],
  [{ type: 'Split', pattern: { Regex: '(' }, behavior: 'Isolated' }, '"("'],
  [{ type: 'Split', pattern: {}, behavior: 'Isolated' }, 'neither'],
  [{ type: 'Split', pattern: { String: 'a' }, behavior: 'Sideways' }, 'Sideways'],
  [{ type: 'Metaspace', replacement: 'ab' }, 'Metaspace'],
  [{ type: 'Sequence' }, 'Sequence'],
])('refuses %j, which it cannot follow', (config, part) => {
  expectError(() => split(config, 'text'), 'bad-tokenizer', 'tokenizer.json', part);
});

test('refuses a normaliser it does not know', () => {
  const normalizer = { type: 'Nmt' };
  expectError(() => split(null, 'text', { normalizer }), 'bad-tokenizer', 'tokenizer.json', 'Nmt');
});
