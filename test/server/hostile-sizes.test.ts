// Bodies within the limit of bytes that are made to cost time or memory, and good ones bent at random: each is answered
// at once, and none keeps the thread that all streams share.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { parseBody } from '../../src/server/schemas/parse.ts';
import { bentBodies } from './bent-bodies.ts';
import { jsonOf, type Running, runScript } from './running-server.ts';
import type { ScriptedEngine } from './scripted-engine.ts';

let server: Running & { engine: ScriptedEngine };
beforeAll(async () => {
  server = await runScript({ answer: () => 'All is well.' });
});
afterAll(() => server[Symbol.asyncDispose]());

interface ErrorBody {
  readonly error: { readonly message: string; readonly param: string | null; readonly code: string | null };
}

const chat = '/v1/chat/completions';
const completions = '/v1/completions';
const user = (content: unknown) => ({ messages: [{ role: 'user', content }] });
const record = (count: number, entry: (i: number) => [string, unknown]) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => entry(i)));

const tooLong = { status: 400, code: 'context_length_exceeded' };
const invalid = { status: 400, code: 'invalid_value' };
const big: [string, string, () => object, { status: number; code: string | null }][] = [
  [
    '400,000 unknown fields',
    completions,
    () => record(400_000, (i) => [`k${i}`, 1]),
    { status: 400, code: null },
  ],
  [
    '300,000 biases of no token',
    completions,
    () => ({ prompt: 'x', logit_bias: record(130_000, (i) => [`a${i}`, 'x']) }),
    { status: 400, code: 'invalid_type' },
  ],
  ['a word without end', completions, () => ({ prompt: 'a'.repeat(7e6) }), tooLong],
  ['blanks without end', completions, () => ({ prompt: ' '.repeat(7e6) }), tooLong],
  ['digits without end', completions, () => ({ prompt: '1234567890'.repeat(7e5) }), tooLong],
  ['a million words', completions, () => ({ prompt: 'the sea '.repeat(9e5) }), tooLong],
  ['control tokens without end', completions, () => ({ prompt: '<|begin_of_text|>'.repeat(4e5) }), tooLong],
  ['three million token ids', completions, () => ({ prompt: Array(3e6).fill(5) }), tooLong],
  [
    'a million prompts',
    completions,
    () => ({ prompt: Array(1.5e6).fill('a') }),
    { status: 400, code: 'integer_above_max_value' },
  ],
  ['a message of megabytes', chat, () => user('a b '.repeat(1.7e6)), tooLong],
  ['60,000 parts', chat, () => user(Array(60_000).fill({ type: 'text', text: 'a' })), tooLong],
  ['60,000 parts that are no text', chat, () => user(Array(60_000).fill({ type: 'x' })), invalid],
  [
    '400,000 stop numbers',
    chat,
    () => ({ ...user('a'), stop: Array(400_000).fill(1) }),
    { status: 400, code: 'invalid_type' },
  ],
  [
    '120,000 mistakes in a list',
    chat,
    () => ({ messages: [{ role: 'assistant', tool_calls: Array(120_000).fill({ id: 1 }) }] }),
    invalid,
  ],
  ['a text of megabytes to tokenize', '/tokenize', () => ({ prompt: 'the sea '.repeat(9e5) }), invalid],
];

describe('sizes', () => {
  test.each(big)('%s', async (_name, path, make, { status, code }) => {
    const body = JSON.stringify(make());
    const start = performance.now();
    const response = await server.post(path, body);
    expect([response.status, (await jsonOf<ErrorBody>(response)).error.code]).toEqual([status, code]);
    // Each took two to fifteen seconds when it was read to its end; a busy machine needs some room.
    expect(performance.now() - start).toBeLessThan(5000);
  });

  test('more mistakes than a schema can list', () => {
    const complaining = z.array(z.unknown()).superRefine((list, context) => {
      for (const _ of list) context.addIssue('bad');
    });
    const parse = () => parseBody(z.array(complaining), [Array(400_000).fill(1)]);
    expect(parse).toThrow(expect.objectContaining({ code: 'bad-request' }));
  });

  test('a text a little too long is still counted', async () => {
    const answer = await server.post(completions, { prompt: 'the sea '.repeat(3000) });
    expect((await jsonOf<ErrorBody>(answer)).error.message).toMatch(/you requested 60\d\d tokens/);
  });

  test('a body over the limit is told so, however much of it is on its way', async () => {
    const response = await server.post(completions, { prompt: 'a'.repeat(2e7) });
    expect([response.status, (await jsonOf<ErrorBody>(response)).error.code]).toEqual([
      413,
      'request_too_large',
    ]);
  });
});

test('2,500 good bodies bent somewhere: an answer or a refusal, never a failure', async () => {
  const bodies = fc.sample(bentBodies, { numRuns: 2500, seed: 6_112_126 });
  const statuses = new Map<number, number>();
  const send = async ({ path, body }: { path: string; body: string }) => {
    const response = await server.post(path, body);
    const text = await response.text();
    const { status } = response;
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
    const isRefusal =
      status >= 400 && status < 500 && typeof (JSON.parse(text) as ErrorBody).error.message === 'string';
    const isStream = status === 200 && text.startsWith('data: ') && text.endsWith('data: [DONE]\n\n');
    const isAnswer = isStream || (status === 200 && typeof JSON.parse(text) === 'object');
    expect({ path, body, text, fine: isRefusal || isAnswer }).toMatchObject({ fine: true });
  };
  for (let i = 0; i < bodies.length; i += 20) await Promise.all(bodies.slice(i, i + 20).map(send));
  // Both happen: the bodies are near the border.
  expect(statuses.get(200)).toBeGreaterThan(250);
  expect(statuses.get(400)).toBeGreaterThan(250);
  expect(server.engine.active).toBe(0);
  const after = await server.client.completions.create({
    model: 'tiny-classics',
    prompt: 'x',
    max_tokens: 50,
  });
  expect(after.choices[0]).toMatchObject({ text: 'All is well.', finish_reason: 'stop' });
});
