// Stop strings in text of every alphabet: they end an answer wherever tokens cut them, in the middle of a character too.
import { expect, test } from 'vitest';
import { AnswerText } from '../../src/engine/answer-text.ts';
import { uniform } from '../../src/engine/random.ts';
import { tokenizer } from './serve.ts';

const alphabet = ['the ', 'sea', ' ', 'ß', 'é', '世', '界', '🙂', '👩‍🚀', '\n', '—', 'a'];

interface Case {
  readonly text: string;
  readonly stop: string[];
}

function randomCase(seed: number): Case {
  let draws = 0;
  const below = (limit: number) => Math.floor(uniform(seed, draws++) * limit);
  const pieces = (count: number) => Array.from({ length: count }, () => alphabet[below(alphabet.length)]!);
  const text = pieces(4 + below(30)).join('');
  const characters = [...text];
  const stop = Array.from({ length: 1 + below(3) }, () => {
    const start = below(characters.length);
    return below(3) === 0 ? pieces(2).join('') : characters.slice(start, start + 1 + below(4)).join('');
  });
  return { text, stop };
}

/** What all pieces of an answer with these tokens come to, and whether a stop string ended it. */
function textOf({ text, stop }: Case, options: object = {}): { text: string; stopped: boolean } {
  const answer = new AnswerText(tokenizer, { prompt: [0], stop, continuesPrompt: true, ...options }, []);
  let said = '';
  for (const tokenId of tokenizer.encode(text)) {
    const piece = answer.push(tokenId);
    expect(piece.text).not.toContain('\ufffd');
    said += piece.text;
    if (piece.stopped) return { text: said, stopped: true };
  }
  const rest = answer.flush();
  return { text: said + rest.text, stopped: rest.stopped };
}

/** The stop string that is complete first; of those, the one that begins first. */
function firstStop({ text, stop }: Case): { at: number; end: number } | undefined {
  return stop
    .flatMap((each) => {
      const at = text.indexOf(each);
      return at < 0 ? [] : [{ at, end: at + each.length }];
    })
    .sort((a, b) => a.end - b.end || a.at - b.at)[0];
}

test('an answer ends before its first stop string, however tokens cut it', () => {
  let stops = 0;
  for (let seed = 0; seed < 400; seed++) {
    const { text, stop } = randomCase(seed);
    const whole = textOf({ text, stop: [] });
    expect(whole).toEqual({ text, stopped: false });
    const found = textOf({ text, stop });
    const expected = firstStop({ text, stop });
    expect(found.stopped, JSON.stringify({ text, stop })).toBe(expected !== undefined);
    if (!expected) {
      expect(found.text).toBe(text);
      continue;
    }
    stops++;
    // A token may complete several at once; then the text ends before the first of them.
    expect(text.startsWith(found.text)).toBe(true);
    expect(found.text.length).toBeLessThanOrEqual(expected.at);
    for (const each of stop) expect(found.text).not.toContain(each);
    const kept = textOf({ text, stop }, { includeStopInText: true });
    expect(stop.some((each) => kept.text === found.text + each)).toBe(true);
  }
  expect(stops).toBeGreaterThan(200);
});
