// Perplexity worked out by hand from scripted log-probabilities: which tokens count, and how wide the interval is.
import { describe, expect, test } from 'vitest';
import { perplexityChange } from '../../src/evaluate/compare.ts';
import { measurePerplexity } from '../../src/evaluate/perplexity.ts';

/** Says of every token but the first: log-probability -id / 100. */
const scorer = {
  score: (ids: ArrayLike<number>) => Float32Array.from(Array.from(ids).slice(1), (id) => -id / 100),
};
const ids = (count: number) => Int32Array.from({ length: count }, (_, index) => index);

describe('measurePerplexity', () => {
  test('windows do not overlap, their first tokens and the rest of the text are not scored', async () => {
    // 11 tokens in windows of 4: 0-3 and 4-7. Scored are 1, 2, 3 and 5, 6, 7: mean 4.
    const result = await measurePerplexity({ scorer, tokenIds: ids(11), window: 4 });
    expect(result).toMatchObject({ windows: 2, window: 4, tokens: 6 });
    expect(result.perplexity).toBeCloseTo(Math.exp(0.04), 6);
    // Means of the windows 0.02 and 0.06: deviation sqrt(0.0008), error of the mean sqrt(0.0004) = 0.02.
    expect(result.interval[0]).toBeCloseTo(Math.exp(0.04 - 1.96 * 0.02), 6);
    expect(result.interval[1]).toBeCloseTo(Math.exp(0.04 + 1.96 * 0.02), 6);
  });

  test('with a stride every token but the first is scored once, most of them with context before', async () => {
    // Windows 0-3, 2-5, 4-7, 6-9: scored are 1, 2, 3, then 4 and 5, 6 and 7, 8 and 9. Mean 5.
    const asked: number[][] = [];
    const watched = {
      score(window: ArrayLike<number>) {
        asked.push(Array.from(window));
        return scorer.score(window);
      },
    };
    const result = await measurePerplexity({ scorer: watched, tokenIds: ids(10), window: 4, stride: 2 });
    expect(result).toMatchObject({ windows: 4, tokens: 9 });
    expect(result.perplexity).toBeCloseTo(Math.exp(0.05), 6);
    expect(asked[1]).toEqual([2, 3, 4, 5]);
  });

  test('no more windows than asked for', async () => {
    const result = await measurePerplexity({ scorer, tokenIds: ids(11), window: 4, windows: 1 });
    expect(result).toMatchObject({ windows: 1, tokens: 3 });
    expect(result.interval).toEqual([result.perplexity, result.perplexity]);
    expect((await measurePerplexity({ scorer, tokenIds: ids(11), window: 4, windows: 9 })).windows).toBe(2);
  });

  test('progress ends at the last window, and an interrupt ends the work', async () => {
    const controller = new AbortController();
    const seen: number[][] = [];
    const onProgress = (done: number, total: number) => {
      seen.push([done, total]);
      if (done === 2) controller.abort();
    };
    const { signal } = controller;
    const run = measurePerplexity({ scorer, tokenIds: ids(12), window: 3, onProgress, signal });
    await expect(run).rejects.toMatchObject({ code: 'cancelled' });
    expect(seen).toEqual([
      [1, 4],
      [2, 4],
    ]);
  });

  test.each([
    ['a text shorter than a window', { tokenIds: ids(3), window: 4 }, /3 tokens, fewer than one window of 4/],
    ['a window of one token', { tokenIds: ids(9), window: 1 }, /at least 2/],
    ['a stride beyond the window', { tokenIds: ids(9), window: 4, stride: 5 }, /stride <= window/],
  ])('%s is refused', async (_, options, message) => {
    await expect(measurePerplexity({ scorer, ...options })).rejects.toMatchObject({
      code: 'bad-option',
      message: expect.stringMatching(message),
    });
  });
});

describe('perplexityChange', () => {
  const measured = async (factor: (id: number) => number, window = 3) => ({
    text: 'x',
    ...(await measurePerplexity({
      scorer: { score: (of) => Float32Array.from(Array.from(of).slice(1), (id) => -id * factor(id)) },
      tokenIds: ids(12),
      window,
    })),
  });

  test('a model that is everywhere worse by the same is worse for certain', async () => {
    // 0.5 more of negative log-probability for every token: perplexity is exp(0.5) times as high.
    const base = await measured(() => 1);
    const other = { ...(await measured(() => 1)), perplexity: base.perplexity * Math.exp(0.5) };
    const shifted = { ...other, windowMeans: base.windowMeans.map((mean) => mean - 0.5) };
    const { ratio, interval } = perplexityChange(base, shifted)!;
    expect(ratio).toBeCloseTo(Math.exp(0.5), 6);
    expect(interval[0]).toBeCloseTo(ratio, 12);
    expect(interval[1]).toBeCloseTo(ratio, 12);
  });

  test('the interval is that of the differences, window by window', async () => {
    // Windows' means: 1.5, 4.5, 7.5, 10.5, and 1.1 times as much: differences 0.15, 0.45, 0.75, 1.05, mean 0.6,
    // deviation sqrt(0.6 / 4) = sqrt(0.15), error sqrt(0.15) / 2.
    const { ratio, interval } = perplexityChange(await measured(() => 1), await measured(() => 1.1))!;
    expect(ratio).toBeCloseTo(Math.exp(0.6), 5);
    expect(Math.log(interval[1] / ratio)).toBeCloseTo((1.96 * Math.sqrt(0.15)) / 2, 5);
    expect(interval[0] * interval[1]).toBeCloseTo(ratio ** 2, 5);
  });

  test('other windows cannot be compared', async () => {
    expect(perplexityChange(await measured(() => 1), await measured(() => 1, 4))).toBeUndefined();
  });
});
