// Engines that begin and end at bad moments, and requests at the very edges of what fits.
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine, startWorker } from '../../src/engine/engine.ts';
import type { GenerateRequest } from '../../src/engine/engine-types.ts';
import { AtomError } from '../../src/errors.ts';

const modelPath = resolve(import.meta.dirname, '../../models/tiny-classics');
const options = { threads: 1, maxBatch: 4, kvMemory: 2 ** 22 } as const;
const patience = { timeout: 30_000 };

/** Tokens of each answer, and how it ended. */
async function ask(engine: Engine, request: GenerateRequest, signal?: AbortSignal) {
  const answers: { tokens: number[]; reason?: string }[] = [];
  for await (const event of engine.generate(request, signal ? { signal } : {})) {
    if (event.type === 'prompt-logprobs') continue;
    answers[event.index] ??= { tokens: [] };
    const answer = answers[event.index]!;
    if (event.type === 'token') answer.tokens.push(event.tokenId);
    else answer.reason = event.reason;
  }
  return answers;
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no error',
    (error: unknown) => (error instanceof AtomError ? error.code : String(error)),
  );

const promptOf = (length: number) => Int32Array.from({ length }, (_, i) => 10 + ((i * 37) % 4000));

describe('at the edges', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.load(modelPath, options);
  });
  afterAll(() => engine.close());

  test('a prompt may fill the context but for one token, and all of it where it is only scored', async () => {
    const { maxModelLen } = engine.info;
    const almost = promptOf(maxModelLen - 1);
    for (const request of [{ prompt: almost }, { prompt: almost, maxTokens: 1 }]) {
      const [answer] = await ask(engine, { ...request, temperature: 0, ignoreEos: true });
      expect([answer!.tokens.length, answer!.reason]).toEqual([1, 'length']);
    }
    const whole = promptOf(maxModelLen);
    expect(await ask(engine, { prompt: whole, maxTokens: 0, promptLogprobs: 0 })).toEqual([
      { tokens: [], reason: 'length' },
    ]);
    expect(await codeOf(ask(engine, { prompt: almost, maxTokens: 2 }))).toBe('context-length-exceeded');
    expect(await codeOf(ask(engine, { prompt: whole }))).toBe('context-length-exceeded');
  });

  test('no token and one token, of several answers', async () => {
    const request = { prompt: promptOf(5), n: 3, seed: 1, ignoreEos: true };
    const none = await ask(engine, { ...request, maxTokens: 0 });
    expect(none).toEqual(Array(3).fill({ tokens: [], reason: 'length' }));
    const one = await ask(engine, { ...request, maxTokens: 1 });
    expect(one.map(({ tokens, reason }) => [tokens.length, reason])).toEqual(Array(3).fill([1, 'length']));
  });

  test('an abort before, at once, and while the prompt is computed leaves nothing', async () => {
    const long = { prompt: promptOf(engine.info.maxModelLen - 100), maxTokens: 90, ignoreEos: true };
    expect(await codeOf(ask(engine, long, AbortSignal.abort()))).toBe('cancelled');
    for (const wait of [undefined, 0, 2, 5, 10]) {
      const controller = new AbortController();
      const asked = codeOf(ask(engine, long, controller.signal));
      if (wait !== undefined) await new Promise((resolve) => setTimeout(resolve, wait));
      controller.abort();
      expect(await asked).toBe('cancelled');
    }
    await expect
      .poll(() => engine.stats(), patience)
      .toMatchObject({ running: 0, waiting: 0, kvBlocksUsed: 0 });
  });
});

test('a thread that dies while it loads fails the load', async () => {
  const worker = startWorker(modelPath, options);
  const loading = codeOf(Engine.connect(worker, modelPath));
  await worker.terminate();
  expect(await loading).toBe('engine-failed');
});

test('closing twice while answers come fails each once, and ends the thread', async () => {
  const engine = await Engine.load(modelPath, options);
  const long = { prompt: promptOf(30), maxTokens: 600, ignoreEos: true };
  const running = [1, 2, 3, 4, 5, 6].map(() => codeOf(ask(engine, long)));
  await expect.poll(() => engine.stats().running, patience).toBe(4);
  await Promise.all([engine.close(), engine.close()]);
  expect(await Promise.all(running)).toEqual(Array(6).fill('closed'));
  await engine.close();
});

test('engines that come and go leave no memory behind', { timeout: 120_000 }, async () => {
  const cycle = async (busy: boolean) => {
    const engine = await Engine.load(modelPath, options);
    const asked = codeOf(ask(engine, { prompt: promptOf(20), maxTokens: busy ? 600 : 2, ignoreEos: true }));
    if (!busy) expect(await asked).toBe('no error');
    await engine.close();
    await asked;
  };
  const memoryAfter = async (cycles: number) => {
    for (let i = 0; i < cycles; i++) await cycle(i % 3 === 0);
    return process.memoryUsage().rss / 2 ** 20;
  };
  const before = await memoryAfter(8);
  // Weights and cache of one engine are 16 MiB.
  expect((await memoryAfter(8)) - before).toBeLessThan(64);
});
