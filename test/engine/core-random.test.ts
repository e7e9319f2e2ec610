// Random arrivals and cancels over a cache that is far too small, on the real model: every answer ends once, what is not
// cancelled is what it is alone, and nothing stays behind. The scheduler's own simulation (scheduler.test.ts) is longer.
import { afterAll, expect, test } from 'vitest';
import { uniform } from '../../src/engine/random.ts';
import type { EngineRequest } from '../../src/engine/request.ts';
import { ask, demoCore, demoModel, serveOne } from './serve.ts';

const model = demoModel('bf16');
afterAll(() => model[Symbol.dispose]());

const settings = { blockSize: 16, numBlocks: 24, maxBatch: 6, maxStepTokens: 40, maxModelLen: 256 };

test.each([1, 2, 3])('random run %i', (seed) => {
  let draws = 0;
  const below = (limit: number) => Math.floor(uniform(seed, draws++) * limit);
  const openings = ['It was a dark night, and', 'The captain said that the sea', 'My dear'];
  const newRequest = (): EngineRequest =>
    ask(openings[below(3)]!.repeat(1 + below(8)), {
      maxTokens: 1 + below(50),
      n: below(5) === 0 ? 3 : 1,
      priority: below(8) === 0 ? 1 : 0,
      sampling: { seed: below(1000), temperature: below(3) * 0.6 },
    });
  using core = demoCore(model, { ...settings, speculative: seed === 2 ? 3 : 0, prefixCache: seed !== 3 });
  const open = new Map<number, EngineRequest>();
  const tokens = new Map<string, number[]>();
  const ends = new Map<string, number>();
  const cancelled = new Set<string>();
  const all: EngineRequest[] = [];
  for (let step = 0; step < 400 || !core.idle; step++) {
    if (step < 400 && below(5) === 0) {
      const request = newRequest();
      all.push(request);
      open.set(request.id, request);
      core.add(request);
    }
    if (open.size > 0 && below(25) === 0) {
      const request = [...open.values()][below(open.size)]!;
      const one = below(2) === 0 ? below(request.n) : undefined;
      for (let index = 0; index < request.n; index++)
        if (one === undefined || one === index) cancelled.add(`${request.id}/${index}`);
      // An answer that has not begun is cancelled with its request alone.
      if (one === undefined || tokens.has(`${request.id}/0`)) core.cancel(request.id, one);
      else core.cancel(request.id);
      if (one !== undefined && !tokens.has(`${request.id}/0`))
        for (let index = 0; index < request.n; index++) cancelled.add(`${request.id}/${index}`);
      open.delete(request.id);
    }
    const message = core.step();
    for (const [i, tokenId] of message.tokenIds.entries()) {
      const key = `${message.requestIds[i]}/${message.indexes[i]}`;
      expect(ends.has(key)).toBe(false);
      tokens.set(key, [...(tokens.get(key) ?? []), tokenId]);
    }
    for (const { requestId, index } of message.finished) {
      const key = `${requestId}/${index}`;
      ends.set(key, (ends.get(key) ?? 0) + 1);
      if (all.find(({ id }) => id === requestId)!.n === 1) open.delete(requestId);
    }
    expect(message.failures).toEqual([]);
    const { kvBlocksUsed, running } = core.stats();
    expect(kvBlocksUsed).toBeLessThanOrEqual(settings.numBlocks);
    expect(running).toBeLessThanOrEqual(settings.maxBatch);
  }
  expect(core.stats()).toMatchObject({ running: 0, waiting: 0, kvBlocksUsed: 0 });
  expect(core.stats().preemptions).toBeGreaterThan(0);
  expect(cancelled.size).toBeGreaterThan(0);
  for (const request of all) {
    for (let index = 0; index < request.n; index++) {
      const key = `${request.id}/${index}`;
      if (cancelled.has(key)) expect(ends.get(key) ?? 0).toBeLessThanOrEqual(1);
      else expect([key, ends.get(key)]).toEqual([key, 1]);
    }
  }
  using alone = demoCore(model);
  const whole = all.filter(({ id, n }) => n === 1 && !cancelled.has(`${id}/0`));
  for (const request of whole.slice(0, 12))
    expect(serveOne(alone, { ...request, priority: 0 }).tokens).toEqual(tokens.get(`${request.id}/0`));
});
