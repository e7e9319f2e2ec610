// Integer kernels and small caches under the engine: what a request gives is the same to the bit alone, in a crowd, with its
// prompt cut into other chunks, preempted, from the cache, guessed ahead, or shared by two threads. Weights are random, so that logits lie close
// together and one wrong bit shows in the tokens.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { nativeAddon } from '../../src/backend/cpu/native.ts';
import { randomModelFolder } from '../../src/bench/random-model.ts';
import { schemes } from '../../src/bench/schemes.ts';
import { uniform } from '../../src/engine/random.ts';
import type { EngineRequest } from '../../src/engine/request.ts';
import { loadModel } from '../../src/model/load-model.ts';
import { ask, backend, type CoreSettings, demoCore, serve } from './serve.ts';

const cache = mkdtempSync(join(tmpdir(), 'atom-batch-'));
afterAll(() => rmSync(cache, { recursive: true }));

/** Prompts of 3 to 700 tokens, some with beginnings in common; the first few are the longest. */
function crowd(count: number): EngineRequest[] {
  const below = (place: number, limit: number) => Math.floor(uniform(11, place) * limit);
  return Array.from({ length: count }, (_, i) => {
    const length = i < 4 ? 700 - 90 * i : 3 + below(i * 4, 90);
    const family = below(i * 4 + 1, 3);
    const prompt = Array.from({ length }, (_, at) =>
      below(1000 + (at < 40 ? family * 50 : i * 1000) + at, 4096),
    );
    const temperature = below(i * 4 + 2, 3) * 0.5;
    return ask(prompt, {
      maxTokens: 10 + below(i * 4 + 3, 50),
      n: i % 9 === 0 ? 2 : 1,
      logprobs: 0,
      stopTokenIds: [],
      sampling: { seed: i, temperature },
    });
  });
}

describe.each(schemes)('$name', (scheme) => {
  const folder = randomModelFolder(scheme, { shape: 'tiny', layers: 2 }, { cache, toolVersion: '0' });
  const model = loadModel(folder, { backend, maxTokens: 96, maxOutputs: 24 });
  afterAll(() => model[Symbol.dispose]());

  test('gives each request the same tokens and log-probabilities whatever runs beside it', () => {
    const requests = crowd(20);
    const resultOf = (settings: CoreSettings, asked: readonly EngineRequest[]) => {
      using core = demoCore(model, settings);
      const { answers } = serve(core, asked);
      expect(core.blocks.verify([])).toEqual([]);
      return { answers: asked.map(({ id }) => answers.get(id)), stats: core.stats() };
    };
    const together = resultOf({ maxStepTokens: 96, maxBatch: 24 }, requests);
    for (const place of [0, 3, 9, 17])
      expect(resultOf({}, [requests[place]!]).answers[0]).toEqual(together.answers[place]);
    const crowded = resultOf({ numBlocks: 50, blockSize: 16, maxStepTokens: 31 }, requests);
    expect(crowded.stats.preemptions).toBeGreaterThan(0);
    expect(crowded.answers).toEqual(together.answers);
    nativeAddon().setThreadCount(2);
    expect(resultOf({}, requests.slice(0, 6)).answers).toEqual(together.answers.slice(0, 6));
    nativeAddon().setThreadCount(1);
    expect(resultOf({ speculative: 4, prefixCache: false, maxStepTokens: 50 }, requests).answers).toEqual(
      together.answers,
    );
  });
});
