// A cache that is full: what was sized for so many sequences runs so many together, and whoever has to give its blocks
// back does so seldom. No model; every answer has a length of its own, which the scheduler does not know.
import { expect, test } from 'vitest';
import { BlockManager } from '../../src/engine/block-manager.ts';
import { uniform } from '../../src/engine/random.ts';
import { Scheduler } from '../../src/engine/scheduler.ts';

const blockSize = 32;
const stopToken = 7;

interface Crowd {
  /** Sequences of 512 tokens that the cache holds. */
  readonly holds: number;
  /** Sequences that run or wait at any time. */
  readonly callers: number;
  readonly prompt: number;
  readonly maxTokens: number;
  /** Tokens after which answer `id` stops. */
  readonly answer: (id: number) => number;
  readonly n?: number;
}

/** Serves 40 requests per caller; says how many ran together, how often one was preempted, and tokens run per token needed. */
function serve({ holds, callers, prompt, maxTokens, answer, n = 1 }: Crowd) {
  const blocks = new BlockManager({ numBlocks: (holds * 512) / blockSize, blockSize });
  const limits = { maxBatch: 64, maxStepTokens: 256, maxModelLen: prompt + maxTokens };
  const scheduler = new Scheduler({ blocks, ...limits });
  let [id, open, ran, needed, mostRunning] = [0, 0, 0, 0, 0];
  while (id < 40 * callers || open > 0) {
    for (; open < callers && id < 40 * callers; open += n) {
      id++;
      const tokens = Int32Array.from({ length: prompt }, (_, i) => id * 1000 + i);
      scheduler.add({
        ...{ id, prompt: tokens, n, maxTokens, minTokens: 0, priority: 0 },
        ...{ stopTokenIds: [stopToken], sampling: {} },
      });
      needed += prompt;
    }
    const step = scheduler.schedule()!;
    mostRunning = Math.max(mostRunning, scheduler.numRunning);
    ran += step.numTokens;
    const samples = step.runs.flatMap((run) => run.samples);
    for (const sample of samples) {
      needed++;
      sample.append(sample.generated + 1 >= answer(sample.request.id) ? stopToken : 5);
    }
    scheduler.settle(step);
    open -= samples.filter(({ finish }) => finish !== undefined).length;
  }
  return { mostRunning, preemptions: scheduler.counts.preemptions, work: ran / needed };
}

test.each([
  [8, 500, 12],
  [8, 128, 384],
  [32, 16, 496],
  [1, 511, 1],
])(
  'a cache for %i sequences of %i + %i tokens runs so many together, all the time',
  (holds, prompt, most) => {
    const { mostRunning, preemptions, work } = serve({
      ...{ holds, callers: holds, prompt, maxTokens: most },
      answer: () => most,
    });
    expect(mostRunning).toBe(holds);
    expect(preemptions).toBe(0);
    expect(work).toBeLessThan(1.03);
  },
);

test('answers of one prompt leave room for the copies that they part with', () => {
  const { mostRunning, preemptions } = serve({
    ...{ holds: 8, callers: 32, prompt: 100, maxTokens: 28, n: 4 },
    answer: () => 28,
  });
  expect(mostRunning).toBeGreaterThanOrEqual(16);
  expect(preemptions).toBe(0);
});

test('where nobody knows how long answers get, more run than would be sure to fit, and little is run twice', () => {
  const answer = (id: number) => Math.ceil(-Math.log(1 - uniform(3, id)) * 200);
  const { mostRunning, preemptions, work } = serve({
    ...{ holds: 16, callers: 40, prompt: 112, maxTokens: 1936, answer },
  });
  expect(mostRunning).toBeGreaterThan(20);
  expect(preemptions).toBeGreaterThan(0);
  expect(work).toBeLessThan(1.1);
});
