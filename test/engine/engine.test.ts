// The engine as a library: a thread of its own, streams of events, cancellation, limits, and what happens when it dies.
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine, startWorker } from '../../src/engine/engine.ts';
import type { FinishEvent, GenerateEvent, GenerateRequest } from '../../src/engine/engine-types.ts';
import { AtomError } from '../../src/errors.ts';
import { golden } from './serve.ts';

const modelPath = resolve(import.meta.dirname, '../../models/tiny-classics');
let engine: Engine;
beforeAll(async () => {
  // One thread: a machine that others use too is slow to bring two together.
  engine = await Engine.load(modelPath, {
    threads: 1,
    compute: 'f32',
    maxBatch: 16,
    kvMemory: 2 ** 24,
    maxQueue: 64,
  });
});
afterAll(() => engine.close());

interface Collected {
  readonly texts: string[];
  readonly tokens: number[][];
  readonly finishes: FinishEvent[];
  readonly events: GenerateEvent[];
}

async function collect(request: GenerateRequest, from = engine, signal?: AbortSignal): Promise<Collected> {
  const all: Collected = { texts: [], tokens: [], finishes: [], events: [] };
  for await (const event of from.generate(request, signal ? { signal } : {})) {
    all.events.push(event);
    if (event.type === 'prompt-logprobs') continue;
    all.texts[event.index] = (all.texts[event.index] ?? '') + event.text;
    if (event.type === 'token') {
      all.tokens[event.index] ??= [];
      all.tokens[event.index]!.push(event.tokenId);
    } else all.finishes[event.index] = event;
  }
  return all;
}

const encode = (text: string) => engine.tokenizer.encode(text);
const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no error',
    (error: unknown) => (error instanceof AtomError ? error.code : String(error)),
  );

/** A machine that others use too is slow at times. */
const patience = { timeout: 30_000 };

/** The engine gives back everything within a few steps. */
async function idle(of = engine): Promise<void> {
  await expect.poll(() => of.stats(), patience).toMatchObject({ running: 0, waiting: 0, kvBlocksUsed: 0 });
}

describe('answers', () => {
  test('greedy tokens are those of the golden run, and their text is their decoding', async () => {
    const request = { prompt: golden.prompt, maxTokens: golden.continuation.length, temperature: 0 };
    const { tokens, texts, finishes } = await collect(request);
    expect(tokens[0]).toEqual(golden.continuation);
    expect(texts[0]).toBe(engine.tokenizer.decode(golden.continuation));
    expect(finishes[0]).toMatchObject({
      reason: 'length',
      usage: { promptTokens: golden.prompt.length, completionTokens: golden.continuation.length },
    });
  });

  test('what is left out follows the checkpoint: sampling differs between runs, a seed repeats it', async () => {
    const prompt = encode('It was a dark night, and');
    const seeded = { prompt, maxTokens: 24, seed: 7 };
    const [first, second, other] = await Promise.all([
      collect(seeded),
      collect({ ...seeded, temperature: 0.8, topP: 0.95 }),
      collect({ ...seeded, seed: 8 }),
    ]);
    expect(second.tokens).toEqual(first.tokens);
    expect(other.tokens).not.toEqual(first.tokens);
  });

  test('a crowd changes nothing: 48 requests together give what each gives alone', async () => {
    const requests = Array.from({ length: 48 }, (_, seed) => ({
      prompt: encode(['The captain said that', 'It was a dark night, and', 'My dear'][seed % 3]!),
      maxTokens: 8 + (seed % 20),
      seed,
      n: seed % 7 === 0 ? 2 : 1,
    }));
    const together = await Promise.all(requests.map((request) => collect(request)));
    for (const [i, request] of requests.entries())
      if (i % 6 === 0) expect((await collect(request)).tokens).toEqual(together[i]!.tokens);
    await idle();
  });

  test('a stop string ends the answer across the borders of tokens, and what was held back comes out', async () => {
    const greedy = { prompt: encode('It was a dark night, and'), maxTokens: 40, temperature: 0 };
    const [whole] = (await collect(greedy)).texts as [string];
    // From the middle of one word to the middle of a later one.
    const stop = whole.slice(13, 22);
    const stopped = await collect({ ...greedy, stop: ['never said', stop] });
    expect(stopped.texts).toEqual([whole.slice(0, whole.indexOf(stop))]);
    expect(stopped.finishes[0]!.reason).toBe('stop');
    expect(stopped.tokens[0]!.length).toBeLessThan(40);
    const included = await collect({ ...greedy, stop: [stop], includeStopInText: true });
    expect(included.texts).toEqual([whole.slice(0, whole.indexOf(stop) + stop.length)]);
    const almost = `${whole.slice(-5)}#`;
    expect((await collect({ ...greedy, stop: [almost] })).texts).toEqual([whole]);
    expect((await collect({ ...greedy, stop: [stop], minTokens: 40 })).texts).toEqual([whole]);
    await idle();
  });

  test('a stop token is an event without text and counts', async () => {
    const [first, second] = golden.continuation as [number, number];
    const request = { prompt: golden.prompt, temperature: 0, maxTokens: 9, stopTokenIds: [second] };
    const { tokens, finishes, texts } = await collect(request);
    expect(tokens).toEqual([[first, second]]);
    expect(finishes[0]).toMatchObject({ reason: 'stop', usage: { completionTokens: 2 } });
    expect(texts).toEqual([engine.tokenizer.decode([first])]);
  });

  test('log-probabilities: the token itself is always named, and a scored prompt has one entry per token', async () => {
    const request = {
      prompt: golden.prompt,
      maxTokens: 6,
      seed: 3,
      temperature: 2,
      logprobs: 2,
      promptLogprobs: 1,
    };
    const { events } = await collect(request);
    const [scores] = events;
    expect(scores).toMatchObject({ type: 'prompt-logprobs' });
    if (scores?.type !== 'prompt-logprobs') return;
    expect(scores.logprobs).toHaveLength(golden.prompt.length);
    expect(scores.logprobs[0]).toBeNull();
    for (const [i, entry] of scores.logprobs.slice(1).entries()) {
      expect(entry!.tokenId).toBe(golden.prompt[i + 1]);
      expect(entry!.topLogprobs.map(({ tokenId }) => tokenId)).toContain(entry!.tokenId);
    }
    for (const event of events.filter((candidate) => candidate.type === 'token')) {
      const own = event.topLogprobs!.find(({ tokenId }) => tokenId === event.tokenId);
      expect(own?.logprob).toBe(event.logprob);
      expect(event.topLogprobs!.length).toBeGreaterThanOrEqual(2);
    }
    const scored = await collect({ prompt: golden.prompt, maxTokens: 0, promptLogprobs: 0 });
    expect(scored.events.map(({ type }) => type)).toEqual(['prompt-logprobs', 'finish']);
  });

  test('guessing ahead changes no token', async () => {
    const prompt = encode('the sea, the sea, the sea, the sea, the');
    const settings = { compute: 'f32', maxBatch: 4, kvMemory: 2 ** 22, speculative: 4 } as const;
    await using guessing = await Engine.load(modelPath, settings);
    for (const temperature of [0, 0.7]) {
      const request = { prompt, maxTokens: 60, seed: 1, temperature };
      const before = guessing.stats().steps;
      const { tokens } = await collect(request, guessing);
      expect(tokens).toEqual((await collect(request)).tokens);
      // A text that repeats itself takes fewer steps than tokens.
      if (temperature === 0) expect(guessing.stats().steps - before).toBeLessThan(60);
    }
  });
});

const biased = (id: number, bias: number) => ({ prompt: [0], logitBias: new Map([[id, bias]]) });

describe('refusals and ends', () => {
  test.each([
    ['an empty prompt', { prompt: [] }, 'bad-request'],
    ['a token that the model has not', { prompt: [4096] }, 'bad-request'],
    ['a prompt longer than the context', { prompt: new Int32Array(1100) }, 'context-length-exceeded'],
    ['an answer longer than the context', { prompt: [0], maxTokens: 5000 }, 'context-length-exceeded'],
    ['a negative temperature', { prompt: [0], temperature: -1 }, 'bad-request'],
    ['no answers', { prompt: [0], n: 0 }, 'bad-request'],
    ['half a token', { prompt: [0], maxTokens: 1.5 }, 'bad-request'],
    ['a prompt of no numbers', { prompt: [Number.NaN] }, 'bad-request'],
    ['a prompt of fractions', { prompt: [1.5] }, 'bad-request'],
    ['a priority that is no number', { prompt: [0], priority: Number.NaN }, 'bad-request'],
    ['half a candidate', { prompt: [0], topK: 1.5 }, 'bad-request'],
    ['a bias for a token that the model has not', biased(4096, 1), 'bad-request'],
    ['a bias that is no number', biased(7, Number.NaN), 'bad-request'],
  ])('%s is refused before any event', async (_, request, code) => {
    expect(await codeOf(collect(request))).toBe(code);
  });

  test('more answers than may wait are refused, the others served', async () => {
    const request = { prompt: encode('The'), maxTokens: 3, n: 20 };
    const codes = await Promise.all(Array.from({ length: 6 }, () => codeOf(collect(request))));
    expect(codes.filter((code) => code === 'no error')).toHaveLength(4);
    expect(codes.filter((code) => code === 'queue-full')).toHaveLength(2);
  });

  test('an abort ends the request at once and frees its blocks', async () => {
    const controller = new AbortController();
    const running = codeOf(
      collect({ prompt: encode('The'), maxTokens: 900, ignoreEos: true }, engine, controller.signal),
    );
    await expect.poll(() => engine.stats().running, patience).toBe(1);
    controller.abort();
    expect(await running).toBe('cancelled');
    await idle();
    expect(await codeOf(collect({ prompt: [0] }, engine, controller.signal))).toBe('cancelled');
  });

  test('leaving the loop cancels the request', async () => {
    for await (const event of engine.generate({ prompt: encode('The'), maxTokens: 900, ignoreEos: true }))
      if (event.type === 'token') break;
    await idle();
  });

  test('when the thread dies, every request fails with a typed error, and so do later ones', async () => {
    const worker = startWorker(modelPath, { maxBatch: 4, kvMemory: 2 ** 22 });
    await using own = await Engine.connect(worker, modelPath);
    const long = { prompt: encode('The'), maxTokens: 900, ignoreEos: true };
    const running = [1, 2, 3].map(() => codeOf(collect(long, own)));
    await expect.poll(() => own.stats().running, patience).toBe(3);
    await worker.terminate();
    expect(await Promise.all(running)).toEqual(Array(3).fill('engine-failed'));
    expect(own.failed).toBe(true);
    expect(await codeOf(collect(long, own))).toBe('engine-failed');
  });

  test('closing fails what runs with `closed`', async () => {
    const own = await Engine.load(modelPath, { maxBatch: 4, kvMemory: 2 ** 22 });
    const running = codeOf(collect({ prompt: encode('The'), maxTokens: 900, ignoreEos: true }, own));
    await expect.poll(() => own.stats().running, patience).toBe(1);
    await own.close();
    expect(await running).toBe('closed');
    expect(await codeOf(collect({ prompt: [0] }, own))).toBe('closed');
  });

  test('a load that cannot be says why, in the code of the reason', async () => {
    expect(await codeOf(Engine.load(resolve(modelPath, 'nowhere')))).toBe('not-a-model');
    expect(await codeOf(Engine.load(modelPath, { kvMemory: 100 }))).toBe('out-of-memory');
    expect(await codeOf(Engine.load(modelPath, { kvMemory: 2 ** 20, maxModelLen: 1024 }))).toBe('bad-option');
    expect(await codeOf(Engine.load(modelPath, { signal: AbortSignal.abort() }))).toBe('cancelled');
  });
});
