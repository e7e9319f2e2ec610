// What clients of vLLM ask of tokens beside OpenAI's fields: their ids, and how probable those of the prompt are.
import { expect, test } from 'vitest';
import { jsonOf, type Running, runScript } from './running-server.ts';

const messages = [{ role: 'user', content: 'Go on' }];

interface Choice {
  readonly index: number;
  readonly text?: string;
  readonly token_ids?: number[];
  readonly prompt_token_ids?: number[];
  readonly prompt_logprobs?: unknown;
  readonly logprobs: { readonly token_logprobs: unknown[]; readonly top_logprobs: object[] } | null;
}

interface Answer {
  readonly choices: Choice[];
  readonly prompt_token_ids?: number[];
  readonly prompt_logprobs?: unknown;
}

const complete = (server: Running, body: object) =>
  jsonOf<Answer>(server.post('/v1/completions', { max_tokens: 20, ...body }));
const chat = (server: Running, body: object) =>
  jsonOf<Answer>(server.post('/v1/chat/completions', { messages, ...body }));

async function frames(server: Running, path: string, body: object): Promise<Answer[]> {
  const text = await (await server.post(path, { ...body, stream: true })).text();
  return text
    .split('\n\n')
    .filter((frame) => frame.startsWith('data: {'))
    .map((frame) => JSON.parse(frame.slice(6)) as Answer);
}

test('token ids of prompt and answer, of each choice of a completion', async () => {
  await using server = await runScript({ answer: (_, index) => `The sea ${index}` });
  const { tokenizer } = server.engine;
  const body = { prompt: [[5, 6], [7]], n: 2, return_token_ids: true };
  const { choices } = await complete(server, body);
  expect(choices.map((choice) => choice.prompt_token_ids)).toEqual([[5, 6], [5, 6], [7], [7]]);
  for (const { text, token_ids } of choices)
    expect(tokenizer.decode(token_ids!, { skipSpecialTokens: true })).toBe(text);
  const parts = (await frames(server, '/v1/completions', body)).flatMap((frame) => frame.choices);
  for (const { index, token_ids, prompt_token_ids } of choices) {
    const own = parts.filter((part) => part.index === index);
    expect(own.flatMap((part) => part.token_ids)).toEqual(token_ids);
    // Once, at the beginning.
    const [first, ...others] = own.map((part) => part.prompt_token_ids);
    expect(first).toEqual(prompt_token_ids);
    expect(others.every((ids) => ids === undefined)).toBe(true);
  }
  const plain = await complete(server, { prompt: 'x' });
  expect(Object.keys(plain.choices[0]!)).toEqual(['index', 'text', 'logprobs', 'finish_reason']);
});

test('token ids of a chat: the prompt is one', async () => {
  await using server = await runScript({ answer: (_, index) => `The sea ${index}` });
  const answer = await chat(server, { n: 2, return_token_ids: true });
  const prompt = Array.from(server.engine.requests[0]!.prompt);
  expect(answer.prompt_token_ids).toEqual(prompt);
  const all = await frames(server, '/v1/chat/completions', { messages, n: 2, return_token_ids: true });
  expect(all.map((frame) => frame.prompt_token_ids).filter((ids) => ids !== undefined)).toEqual([prompt]);
  for (const { index, token_ids } of answer.choices) {
    expect(token_ids!.length).toBeGreaterThan(2);
    const parts = all.flatMap((frame) => frame.choices).filter((part) => part.index === index);
    expect(parts.flatMap((part) => part.token_ids)).toEqual(token_ids);
  }
});

test('log-probabilities of a prompt, by token id', async () => {
  await using server = await runScript({});
  const { tokenizer } = server.engine;
  const of = (id: number, rank = id) => ({ logprob: -id / 1000, rank, decoded_token: tokenizer.textOf(id) });
  // The scripted engine takes token 5 for the most probable one everywhere.
  const expected = (ids: number[]) =>
    ids.map((id, i) => (i === 0 ? null : id === 5 ? { 5: of(5) } : { 5: of(5, 1), [id]: of(id) }));
  const prompt = [0, 70, 71, 5];
  const { choices } = await complete(server, { prompt: [prompt, [9, 8]], n: 2, prompt_logprobs: 1 });
  expect(choices.map((choice) => choice.prompt_logprobs)).toEqual(
    [prompt, prompt, [9, 8], [9, 8]].map(expected),
  );
  for (const choice of choices) expect(choice.logprobs).toBeNull();
  const none = await complete(server, { prompt: [prompt], prompt_logprobs: 0 });
  expect(none.choices[0]!.prompt_logprobs).toEqual([null, { 70: of(70) }, { 71: of(71) }, { 5: of(5) }]);
  const answer = await chat(server, { prompt_logprobs: 1 });
  expect(answer.prompt_logprobs).toEqual(expected(Array.from(server.engine.requests.at(-1)!.prompt)));
});

test('beside an echo each has as many candidates as it asks for', async () => {
  await using server = await runScript({});
  const body = { prompt: [[0, 70]], echo: true, max_tokens: 1 };
  const one = await complete(server, { ...body, logprobs: 1, prompt_logprobs: 0 });
  expect(Object.keys(one.choices[0]!.logprobs!.top_logprobs[1]!)).toHaveLength(2);
  expect(one.choices[0]!.prompt_logprobs).toEqual([null, { 70: expect.anything() }]);
  const other = await complete(server, { ...body, logprobs: 0, prompt_logprobs: 1 });
  expect(Object.keys(other.choices[0]!.logprobs!.top_logprobs[1]!)).toHaveLength(1);
  expect(Object.keys((other.choices[0]!.prompt_logprobs as object[])[1]!)).toHaveLength(2);
  // Without an echo the prompt's are no part of the completion's.
  const plain = await complete(server, { prompt: [[0, 70]], max_tokens: 1, logprobs: 1, prompt_logprobs: 1 });
  expect(plain.choices[0]!.logprobs!.token_logprobs).toHaveLength(1);
});

test('a stream has no place for them', async () => {
  await using server = await runScript({});
  for (const [path, body] of [
    ['/v1/completions', { prompt: 'x' }],
    ['/v1/chat/completions', { messages }],
  ] as const) {
    const response = await server.post(path, { ...body, stream: true, prompt_logprobs: 1 });
    expect([response.status, await response.json()]).toMatchObject([
      400,
      { error: { param: 'prompt_logprobs', code: 'unsupported_parameter' } },
    ]);
  }
});
