// The engine without a thread on the real model: what a request gives does not depend on who else is served, on what the
// cache holds, on preemption or on guessing.
import { afterAll, describe, expect, test } from 'vitest';
import { uniform } from '../../src/engine/random.ts';
import type { EngineRequest } from '../../src/engine/request.ts';
import { Session } from '../../src/engine/session.ts';
import type { Model } from '../../src/model/model.ts';
import { Scorer } from '../../src/model/scorer.ts';
import {
  ask,
  backend,
  type CoreSettings,
  demoCore,
  demoModel,
  golden,
  serve,
  serveOne,
  tokenizer,
} from './serve.ts';

const models = { f32: demoModel('f32'), bf16: demoModel('bf16') };
afterAll(() => {
  for (const model of Object.values(models)) model[Symbol.dispose]();
});

const beginnings = [
  'It was a dark night, and',
  'The captain said that the sea',
  '"My dear," said the old lady,',
  'It was a dark night, and the whale',
];

/** Requests of every kind: prompts that share beginnings, short and long, with all sampling options among them. */
function crowd(count: number, seed: number): EngineRequest[] {
  const below = (place: number, limit: number) => Math.floor(uniform(seed, place) * limit);
  return Array.from({ length: count }, (_, i) => {
    const text = beginnings[below(i * 8, 4)]!.repeat(1 + below(i * 8 + 1, 6));
    return ask(text, {
      maxTokens: 4 + below(i * 8 + 2, 40),
      n: below(i * 8 + 3, 5) === 0 ? 2 : 1,
      minTokens: below(i * 8 + 4, 3),
      sampling: {
        seed: i,
        temperature: below(i * 8 + 5, 4) * 0.5,
        ...(i % 3 === 0 && { topK: 40, topP: 0.9 }),
        ...(i % 4 === 0 && { minP: 0.02, repetitionPenalty: 1.1 }),
        ...(i % 5 === 0 && {
          presencePenalty: 0.4,
          frequencyPenalty: 0.2,
          logitBias: new Map([[i + 50, 4]]),
        }),
      },
    });
  });
}

/** Tokens by answer, in the requests' order. */
function tokensOf(model: Model, settings: CoreSettings, requests: readonly EngineRequest[]) {
  using core = demoCore(model, settings);
  const { answers } = serve(core, requests);
  expect(core.blocks.verify([])).toEqual([]);
  return { tokens: [...answers.values()].map((all) => all.map(({ tokens }) => tokens)), stats: core.stats() };
}

describe.each(['f32', 'bf16'] as const)('computing in %s', (compute) => {
  const model = models[compute];

  test('a seeded request gives the same tokens alone or among 60 others, cached or not, preempted or not, guessed or not', () => {
    const requests = crowd(60, 5);
    const { tokens, stats } = tokensOf(model, { blockSize: 16 }, requests);
    expect(stats.prefixCacheHits).toBeGreaterThan(500);
    for (let i = 0; i < requests.length; i += 4) {
      const alone = tokensOf(model, { blockSize: 16, prefixCache: false }, [requests[i]!]);
      expect(alone.tokens[0]).toEqual(tokens[i]);
    }
    const crowded = tokensOf(model, { numBlocks: 9, blockSize: 16, maxStepTokens: 40 }, requests);
    expect(crowded.tokens).toEqual(tokens);
    expect(crowded.stats.preemptions).toBeGreaterThan(3);
    const guessing = tokensOf(model, { speculative: 5, numBlocks: 60, blockSize: 16 }, requests);
    expect(guessing.tokens).toEqual(tokens);
  });
});

const model = models.f32;

test('greedy generation is the golden continuation, in chunks of any size', () => {
  for (const maxStepTokens of [16, 33, 64]) {
    using core = demoCore(model, { maxStepTokens });
    const request = ask(golden.prompt, { maxTokens: 64, sampling: { temperature: 0 }, stopTokenIds: [] });
    expect(serveOne(core, request).tokens).toEqual(golden.continuation);
  }
});

test('an answer is what a session of its own gives', async () => {
  using core = demoCore(model);
  const sampling = { temperature: 0.8, topP: 0.95, seed: 9, repetitionPenalty: 1.05 };
  using session = new Session({ model, backend });
  const prompt = tokenizer.encode(beginnings[1]!);
  const expected: number[] = [];
  for await (const id of session.generate(prompt, { ...sampling, maxTokens: 30 })) expected.push(id);
  expect(serveOne(core, ask(beginnings[1]!, { sampling, maxTokens: 30, stopTokenIds: [] })).tokens).toEqual(
    expected,
  );
});

test('answers end at maxTokens, at a stop token, and not before minTokens', () => {
  using core = demoCore(model);
  const greedy = (options: Partial<EngineRequest>) =>
    serveOne(core, ask(golden.prompt, { sampling: { temperature: 0 }, ...options }));
  const stop = golden.continuation[4]!;
  expect(greedy({ maxTokens: 3 })).toMatchObject({
    tokens: golden.continuation.slice(0, 3),
    reason: 'length',
  });
  expect(greedy({ stopTokenIds: [stop] })).toMatchObject({
    tokens: golden.continuation.slice(0, 5),
    reason: 'stop',
  });
  const late = greedy({ stopTokenIds: [stop], minTokens: 8 });
  expect(late.tokens.slice(0, 4)).toEqual(golden.continuation.slice(0, 4));
  expect(late.tokens.slice(0, 8)).not.toContain(stop);
  expect(greedy({ maxTokens: 0 })).toMatchObject({ tokens: [], reason: 'length' });
});

test('log-probabilities of prompt and answer are what teacher-forced scoring finds', () => {
  using core = demoCore(model, { maxStepTokens: 20 });
  const request = ask(beginnings[2]!.repeat(3), {
    n: 2,
    logprobs: 3,
    promptLogprobs: 2,
    sampling: { seed: 1 },
  });
  const { answers, promptScores } = serve(core, [request]);
  using scorer = new Scorer({ model, backend, window: 256 });
  const scores = promptScores.get(request.id)!;
  expect(scores).toHaveLength(request.prompt.length);
  expect(scores[0]).toBeNull();
  for (const answer of answers.get(request.id)!) {
    const expected = scorer.score([...request.prompt, ...answer.tokens]);
    const found = [...scores.slice(1), ...answer.scores].map((score) => score!.logprob);
    expect(found).toHaveLength(expected.length);
    for (const [i, value] of found.entries()) expect(value).toBeCloseTo(expected[i]!, 4);
    for (const { logprob, tokenId, topLogprobs } of answer.scores) {
      const isAmongBest = topLogprobs.slice(0, 3).some((top) => top.tokenId === tokenId);
      expect(topLogprobs).toHaveLength(isAmongBest ? 3 : 4);
      expect(topLogprobs[0]!.logprob).toBeGreaterThanOrEqual(logprob);
    }
  }
});

test('a prompt alone can be scored', () => {
  using core = demoCore(model);
  const request = ask(beginnings[0]!, { maxTokens: 0, promptLogprobs: 0, n: 2 });
  const { answers, promptScores } = serve(core, [request]);
  expect(promptScores.get(request.id)).toHaveLength(request.prompt.length);
  expect(answers.get(request.id)!.map(({ reason }) => reason)).toEqual(['length', 'length']);
});

test('a request whose every token is forbidden fails alone', () => {
  using core = demoCore(model);
  const impossible = new Map(Array.from({ length: 4096 }, (_, id) => [id, Number.NEGATIVE_INFINITY]));
  const broken = ask(beginnings[0]!, { sampling: { logitBias: impossible } });
  const sound = ask(golden.prompt, { sampling: { temperature: 0 } });
  const { answers } = serve(core, [broken, sound]);
  expect(answers.get(broken.id)![0]!.error?.code).toBe('numeric');
  expect(answers.get(sound.id)![0]!.tokens).toEqual(golden.continuation.slice(0, 16));
});

test('cancelling in the middle leaves the others as they were and frees what was held', () => {
  using core = demoCore(model);
  const requests = crowd(12, 8);
  const alone = requests.map((request) => tokensOf(model, {}, [request]).tokens[0]);
  const gone = new Set([requests[2]!.id, requests[7]!.id]);
  const { answers } = serve(core, requests, (step) => {
    if (step === 6) for (const id of gone) core.cancel(id);
  });
  for (const [i, { id }] of requests.entries()) {
    if (!gone.has(id)) expect(answers.get(id)!.map(({ tokens }) => tokens)).toEqual(alone[i]);
  }
  expect(core.blocks.verify([])).toEqual([]);
  expect(core.stats()).toMatchObject({ running: 0, waiting: 0, kvBlocksUsed: 0 });
});

test('text that repeats itself takes fewer steps with guesses', () => {
  const request = () =>
    ask('one two three four five six '.repeat(8), {
      maxTokens: 60,
      stopTokenIds: [],
      sampling: { temperature: 0 },
    });
  const plain = tokensOf(model, {}, [request()]);
  const guessed = tokensOf(model, { speculative: 6 }, [request()]);
  expect(guessed.tokens).toEqual(plain.tokens);
  expect(guessed.stats.steps).toBeLessThan(plain.stats.steps);
  const { steps, drafts, draftTokens, acceptedTokens, promptTokens, generationTokens } = guessed.stats;
  // Every guess that was right saved a step; the prompt's last step gives a token too.
  const promptSteps = Math.ceil(promptTokens / 64);
  expect(generationTokens).toBe(steps - promptSteps + 1 + acceptedTokens);
  expect([drafts <= steps, acceptedTokens > 0, acceptedTokens <= draftTokens]).toEqual([true, true, true]);
  expect(guessed.stats.stepTokens).toBe(promptTokens + steps - promptSteps + draftTokens);
  expect(plain.stats).toMatchObject({ drafts: 0, draftTokens: 0, acceptedTokens: 0 });
});
