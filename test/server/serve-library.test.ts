// `serve` of the package: a checkpoint to a server that answers, from a program.
import OpenAI from 'openai';
import { expect, test } from 'vitest';
import { serve } from '../../src/index.ts';
import { modelPath } from './scripted-engine.ts';

const small = { port: 0, threads: 1, kvMemory: 2 ** 24, maxBatch: 4, logLevel: 'silent' } as const;

test('it resolves when the model answers, and drains', async () => {
  const server = await serve(modelPath, { ...small, apiKey: ['k'], servedModelName: ['mine'] });
  const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'k', maxRetries: 0 });
  const { choices } = await client.completions.create({ model: 'mine', prompt: 'The', max_tokens: 3 });
  expect(choices[0]!.text).not.toBe('');
  await server.drain();
  await expect(fetch(server.url)).rejects.toThrow();
});

test.each([
  ['a misspelt option', { prot: 1 }, 'bad-option', /"prot" is not an option; did you mean port\?/],
  ['a preset', { preset: 'atom' }, 'bad-option', /"preset" is not an option/],
  ['a bad value', { maxQueue: -1 }, 'bad-option', /maxQueue|--max-queue/],
  ['a cache too small', { kvMemory: 100 }, 'out-of-memory', /KV cache|cache of/],
  ['another precision', { compute: 'f32', strictPrecision: true }, 'bad-option', /W16A16 .* W32A32/],
] as const)('%s is refused', async (_name, options, code, message) => {
  const failed = serve(modelPath, { ...small, ...options } as object);
  await expect(failed).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
});
