// Stop strings in streamed text: found however the text is cut, and nothing held back that cannot become one.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { StopStrings } from '../../src/tokenizer/stop-strings.ts';

// Few letters, so that stop strings overlap themselves and each other.
const letters = fc.constantFrom('a', 'b', '🦙');
const text = fc.array(letters, { maxLength: 60 }).map((units) => units.join(''));
const stop = fc.array(letters, { minLength: 1, maxLength: 6 }).map((units) => units.join(''));
const stops = fc.array(stop, { maxLength: 4 });

/** The stop string that is complete first in the text, the longest of those; by looking at every prefix. */
function firstStop(whole: string, wanted: readonly string[]): { text: string; stopped?: string } {
  for (let end = 0; end <= whole.length; end++) {
    const complete = wanted.filter((candidate) => whole.slice(0, end).endsWith(candidate));
    const longest = complete.sort((a, b) => b.length - a.length)[0];
    if (longest !== undefined) return { text: whole.slice(0, end - longest.length), stopped: longest };
  }
  return { text: whole };
}

test('finds the first complete stop string and gives exactly the text before it, however the text is cut', () => {
  fc.assert(
    fc.property(fc.array(text, { maxLength: 8 }), stops, (pieces, wanted) => {
      const matcher = new StopStrings(wanted);
      let seen = '';
      let stopped: string | undefined;
      for (const piece of pieces) {
        const result = matcher.push(piece);
        seen += result.text;
        stopped = result.stopped;
        if (stopped !== undefined) break;
      }
      if (stopped === undefined) seen += matcher.flush();
      expect({ text: seen, ...(stopped !== undefined && { stopped }) }).toEqual(
        firstStop(pieces.join(''), wanted),
      );
    }),
    { numRuns: 2000 },
  );
});

test('holds back the longest ending that begins a stop string, and no more', () => {
  fc.assert(
    fc.property(text, stops, (whole, wanted) => {
      const matcher = new StopStrings(wanted);
      const { text: given, stopped } = matcher.push(whole);
      fc.pre(stopped === undefined);
      const begins = (ending: string) => wanted.some((candidate) => candidate.startsWith(ending));
      let longest = whole.length;
      while (longest > 0 && !begins(whole.slice(-longest))) longest--;
      expect(whole.slice(given.length)).toBe(longest === 0 ? '' : whole.slice(-longest));
    }),
    { numRuns: 2000 },
  );
});

test('without stop strings, or with empty ones only, text passes at once', () => {
  expect(new StopStrings([]).push('any text')).toEqual({ text: 'any text' });
  expect(new StopStrings(['']).push('any text')).toEqual({ text: 'any text' });
});

test('takes time in proportion to the text even for a stop string that nearly matches everywhere', () => {
  const matcher = new StopStrings([`${'a'.repeat(2000)}b`, 'ab'.repeat(1000)]);
  const began = performance.now();
  for (let i = 0; i < 20_000; i++) expect(matcher.push('aaaaaaaaaa').stopped).toBeUndefined();
  expect(performance.now() - began).toBeLessThan(5000);
});
