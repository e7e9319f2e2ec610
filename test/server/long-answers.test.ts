// Answers of millions of tokens and candidates: what is kept of them, how it is put together, and where it ends.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ChatAnswer } from '../../src/server/generation/chat-answer.ts';
import { TextBuilder } from '../../src/server/generation/text-builder.ts';
import { TokenNames } from '../../src/server/generation/token-names.ts';
import { loadTokenizer } from '../../src/tokenizer/load-tokenizer.ts';
import type { Tokenizer } from '../../src/tokenizer/tokenizer.ts';
import { jsonOf, run } from './running-server.ts';
import { modelPath, ScriptedEngine } from './scripted-engine.ts';

test('a text from many pieces is the pieces joined', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 3 }), { maxLength: 5000 }), (pieces) => {
      const [plain, list] = [new TextBuilder(), new TextBuilder()];
      for (const piece of pieces) plain.push(piece);
      const items = pieces.filter((piece) => piece !== '');
      for (const item of items) list.push(item, ', ');
      expect([plain.toString(), plain.length]).toEqual([pieces.join(''), pieces.join('').length]);
      expect([list.toString(), list.length]).toEqual([items.join(', '), items.join(', ').length]);
    }),
    { numRuns: 20 },
  );
});

test('an answer that grows beyond all measure is given up, and the server is well', async () => {
  const engine = new ScriptedEngine({ answer: () => 'All is well.' });
  const { generate } = engine;
  let given = 0;
  engine.generate = async function* (request, options) {
    if (request.maxTokens !== 999) return yield* generate.call(engine, request, options);
    const text = 'x'.repeat(2 ** 20);
    for (given = 0; given < 1000; given++) {
      await new Promise((resolve) => setImmediate(resolve));
      yield { type: 'token', index: 0, tokenId: 5, text };
    }
  };
  await using server = await run({ load: async () => engine });
  await server.server.ready;
  for (const [path, prompt] of [
    ['/v1/completions', { prompt: 'x' }],
    ['/v1/chat/completions', { messages: [{ role: 'user', content: 'x' }] }],
  ] as const) {
    const response = await server.post(path, { ...prompt, max_tokens: 999 });
    const message = expect.stringContaining('more than 256 MiB; ask for a stream');
    expect([response.status, await response.json()]).toMatchObject([400, { error: { message } }]);
    // It stopped there.
    expect(given).toBeLessThan(300);
    expect((await server.post(path, { ...prompt, max_tokens: 3 })).status).toBe(200);
  }
  const metrics = await (await server.get('/metrics')).text();
  expect(metrics).toMatch(/requests_aborted_total\{.*reason="refused"\} 2\n/);
  expect(metrics).toMatch(/requests_aborted_total\{.*reason="failure"\} 0\n/);
  expect(await jsonOf(server.get('/load'))).toEqual({ server_load: 0 });
});

test('candidates of one text keep keys of their own', () => {
  const texts = ['same', 'same', '\ufffd', '\ufffd', 'same', '__proto__', '7'];
  const tokenizer = {
    textOf: (id: number) => texts[id]!,
    bytesOf: (id: number) => (id < 4 ? Uint8Array.of(0xe2, id) : new Uint8Array()),
    isSpecial: () => false,
  } as unknown as Tokenizer;
  const names = new TokenNames({ tokenizer });
  const table = names.table(texts.map((_, tokenId) => ({ tokenId, logprob: -tokenId })));
  expect(Object.entries(JSON.parse(table) as object)).toEqual(
    expect.arrayContaining([
      ['same', 0],
      ['token_id:1', -1],
      ['bytes:\\xe2\\x02', -2],
      ['bytes:\\xe2\\x03', -3],
      ['token_id:4', -4],
      ['__proto__', -5],
      ['7', -6],
    ]),
  );
  // The best comes first in the text, as it is sent.
  expect(table.startsWith('{"same":0,"token_id:1":-1,')).toBe(true);
  expect(names.table([{ tokenId: 0, logprob: Number.NEGATIVE_INFINITY }])).toBe('{"same":-9999}');
});

test('half a million candidates are put together in a moment', () => {
  const tokenizer = loadTokenizer(modelPath);
  const head = { id: 'x', created: 1, model: 'm', system_fingerprint: 'f' };
  const writer = new ChatAnswer({
    head,
    choices: 1,
    topLogprobs: 20,
    names: new TokenNames({ tokenizer }),
    newCallParser: undefined,
    namedFunction: false,
  });
  const topLogprobs = Array.from({ length: 20 }, (_, k) => ({ tokenId: 100 + k, logprob: -k / 3 }));
  const event = { type: 'token', index: 0, tokenId: 100, text: 'a', logprob: -1, topLogprobs } as const;
  const job = { request: { prompt: [0] }, firstChoice: 0 };
  let length = 0;
  for (let i = 0; i < 25_000; i++) for (const delta of writer.deltas(job, event)) length += writer.add(delta);
  const before = process.cpuUsage();
  const body = writer.body({
    prompt_tokens: 1,
    completion_tokens: 25_000,
    total_tokens: 25_001,
    prompt_tokens_details: { cached_tokens: 0 },
  });
  const { user } = process.cpuUsage(before);
  // As objects it took half a second, in which nobody else is served.
  expect(user / 1000).toBeLessThan(250);
  expect(body.length).toBeGreaterThan(length);
  const [choice] = (JSON.parse(body) as { choices: { logprobs: { content: object[] } }[] }).choices;
  expect(choice!.logprobs.content).toHaveLength(25_000);
  expect(choice!.logprobs.content[24_999]).toMatchObject({ token: 'a', logprob: -1, bytes: [97] });
});
