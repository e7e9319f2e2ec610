import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { CpuBackend } from '../../src/backend/cpu/cpu-backend.ts';
import { Session } from '../../src/engine/session.ts';
import { loadModel } from '../../src/model/load-model.ts';

const root = resolve(import.meta.dirname, '../..');
const backend = new CpuBackend();
const facts = JSON.parse(readFileSync(resolve(root, 'golden/golden.json'), 'utf8')) as {
  greedy: { prompt: number[]; continuation: number[] };
};
const model = loadModel(resolve(root, 'models/tiny-classics'), { backend, compute: 'f32', maxTokens: 16 });

async function collect(
  session: Session,
  prompt: readonly number[],
  options: Parameters<Session['generate']>[1],
) {
  const ids: number[] = [];
  for await (const id of session.generate(prompt, options)) ids.push(id);
  return ids;
}

test('greedy generation is the golden continuation, through prefill in chunks', async () => {
  using session = new Session({ model, backend });
  const { prompt, continuation } = facts.greedy;
  expect(await collect(session, prompt, { maxTokens: 64, temperature: 0 })).toEqual(continuation);
});

test('a prompt that shares a prefix with the one before gives what a fresh session gives', async () => {
  using used = new Session({ model, backend });
  const options = { maxTokens: 20, temperature: 0.9, seed: 3 };
  await collect(used, facts.greedy.prompt, options);
  const next = [...facts.greedy.prompt.slice(0, 20), 400, 500];
  using fresh = new Session({ model, backend });
  expect(await collect(used, next, options)).toEqual(await collect(fresh, next, options));
});

test('generation ends at maxTokens, at a stop token and at the end of the context', async () => {
  using session = new Session({ model, backend, maxPositions: 40 });
  const { prompt, continuation } = facts.greedy;
  expect(await collect(session, prompt, { maxTokens: 3, temperature: 0 })).toHaveLength(3);
  const stop = await collect(session, prompt, {
    maxTokens: 8,
    temperature: 0,
    stopTokenIds: [continuation[4]!],
  });
  expect(stop).toEqual(continuation.slice(0, 4));
  expect(await collect(session, prompt, { maxTokens: 100, temperature: 0 })).toHaveLength(40 - prompt.length);
});

test('an empty prompt, one that is too long, and an abort are refused with their own codes', async () => {
  using session = new Session({ model, backend, maxPositions: 40 });
  await expect(collect(session, [], { maxTokens: 1 })).rejects.toMatchObject({ code: 'bad-request' });
  await expect(collect(session, new Array(40).fill(3), { maxTokens: 1 })).rejects.toMatchObject({
    code: 'context-length-exceeded',
  });
  const signal = AbortSignal.abort();
  await expect(collect(session, [5], { maxTokens: 1, signal })).rejects.toMatchObject({ code: 'cancelled' });
});
