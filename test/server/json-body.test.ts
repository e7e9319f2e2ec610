// Bodies before any route has seen them: what is read, what is refused, and by what.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseJsonBody } from '../../src/server/json-body.ts';

const read = (text: string) => parseJsonBody(Buffer.from(text));
const refused = (reason: RegExp) =>
  expect.objectContaining({ code: 'bad-request', message: expect.stringMatching(reason) });

test('whatever JSON says is read as it is', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 8 }), (text) => {
      // What a prototype could be set by is refused, below.
      fc.pre(!/__proto__|\\u00/.test(text));
      expect(read(text)).toEqual(JSON.parse(text));
    }),
  );
});

test('braces, colons and quotes in strings are text', () => {
  const text = `${'[{'.repeat(500)}${'":'.repeat(150_000)}\\`;
  expect(read(JSON.stringify({ prompt: text }))).toEqual({ prompt: text });
  expect(read(JSON.stringify(['\\', '\\"', '"\\\\"', ':']))).toEqual(['\\', '\\"', '"\\\\"', ':']);
});

test('nesting has an end', () => {
  const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
  expect(read(nested(65))).toBeDefined();
  expect(() => read(nested(66))).toThrow(refused(/nested more than 64 levels/));
  // Side by side is not deep.
  expect(read(`[${Array(1000).fill('[{}]').join(',')}]`)).toHaveLength(1000);
});

test('so have fields, of one object and of all together', () => {
  const many = (count: number) => Array.from({ length: count }, (_, i) => `"${i}":1`).join(',');
  expect(Object.keys(read(`{${many(2 ** 17)}}`) as object)).toHaveLength(2 ** 17);
  expect(() => read(`{${many(2 ** 17 + 1)}}`)).toThrow(refused(/more than 131072 fields/));
  expect(() => read(`[${Array(70_000).fill('{"a":1,"b":2}').join(',')}]`)).toThrow(refused(/fields/));
});

describe('a prototype', () => {
  test.each([
    ['as it is', '{"a": [{"__proto__": {"b": 1}}]}'],
    ['in escapes', '{"a": [{"\\u005f_pro\\u0074o__": {"b": 1}}]}'],
    ['in another case', '{"\\u005F\\u005F\\u0070roto__": 1}'],
  ])('is refused, %s', (_name, text) => {
    expect(() => read(text)).toThrow(refused(/__proto__/));
  });

  test('may be spoken of', () => {
    expect(read('{"prompt": "__proto__ \\u005f"}')).toEqual({ prompt: '__proto__ _' });
  });
});

test.each(['', '{', '{"a":}', '"\\"', '{"a": "b', '\u0000', 'nul', '[1,]'])('%j is no JSON', (text) => {
  expect(() => read(text)).toThrow(refused(/empty|not valid JSON/));
});
