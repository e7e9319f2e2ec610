// The bundled model's tokenizer against the golden facts: counts from the model's training code.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { loadTokenizer } from '../../src/tokenizer/load-tokenizer.ts';

const dir = resolve(import.meta.dirname, '../../models/tiny-classics');
const tokenizer = loadTokenizer(dir, { vocabSize: 4096 });
const text = readFileSync(join(dir, 'test.txt'), 'utf8');

test('the test text has 44,352 tokens with one leading bos, as golden/README.md says', () => {
  const ids = tokenizer.encode(text);
  expect(ids.length).toBe(44_352);
  expect(ids[0]).toBe(tokenizer.bosId);
  expect([...ids].filter((id) => id === tokenizer.bosId)).toHaveLength(1);
});

test('decoding the test text gives it back to the last character', () => {
  expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
});

test('bos, eos and pad are the ids of config.json', () => {
  expect([tokenizer.bosId, tokenizer.eosId, tokenizer.padId]).toEqual([0, 1, 2]);
  expect(tokenizer.vocabSize).toBe(4096);
});

test('a chat prompt has one bos only', () => {
  const ids = tokenizer.encodeChat({ messages: [{ role: 'user', content: 'Who comes there?' }] });
  expect([...ids].filter((id) => id === tokenizer.bosId)).toHaveLength(1);
  expect(tokenizer.decode(ids)).toBe('"Who comes there?" said the visitor.\n\n');
});
