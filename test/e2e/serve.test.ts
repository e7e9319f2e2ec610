// `atom serve` as its users meet it: the official client against the compiled program and the real small model; signals.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, rmSync } from 'node:fs';
import { type AddressInfo, createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { Engine } from '../../src/engine/engine.ts';
import { golden } from '../engine/serve.ts';
import { modelPath, type ServingProcess, serveModel, startServing } from './serving-process.ts';

const model = 'tiny-classics';
const patience = { timeout: 120_000 };
let served: ServingProcess;
beforeAll(async () => {
  served = await serveModel('--compute', 'f32', '--kv-memory', '64M');
});
afterAll(() => served[Symbol.asyncDispose]());

const metric = async (name: string) => {
  const text = await (await fetch(`${served.url}/metrics`)).text();
  return Number(new RegExp(`^${name}\\{[^}]*\\} (\\S+)$`, 'm').exec(text)?.[1]);
};

test('it says what it serves, where, and how to try it', () => {
  const [first, second, third] = served.output().split('\n');
  expect(first).toMatch(/^serving \S+tiny-classics \(llama, W32A32\) at http:\/\/127\.0\.0\.1:\d+$/);
  expect(second).toMatch(/^cpu \(\w+\) on 1 thread; 6\d\.\d MiB of KV cache hold \d+ tokens/);
  expect(third).toMatch(/^try: curl -N http:\S+\/v1\/chat\/completions .*"stream": true}'$/);
});

describe('completions', () => {
  test('greedy text is that of the golden run, whole and streamed', async () => {
    const { client } = served;
    const request = { model, prompt: golden.prompt, temperature: 0, max_tokens: golden.continuation.length };
    const whole = await client.completions.create(request);
    await using own = await Engine.load(modelPath, { compute: 'f32', kvMemory: 2 ** 22, maxBatch: 4 });
    expect(whole.choices[0]!.text).toBe(own.tokenizer.decode(golden.continuation));
    expect(whole.usage).toMatchObject({
      prompt_tokens: golden.prompt.length,
      completion_tokens: golden.continuation.length,
    });
    let streamed = '';
    for await (const chunk of await client.completions.create({ ...request, stream: true }))
      streamed += chunk.choices[0]?.text ?? '';
    expect(streamed).toBe(whole.choices[0]!.text);
  });

  test('an echoed prompt is scored with the numbers of its own continuation', async () => {
    const { client } = served;
    const prompt = 'It was a dark night, and the captain';
    const scored = await client.completions.create({ model, prompt, echo: true, max_tokens: 0, logprobs: 3 });
    const { tokens, token_logprobs, top_logprobs, text_offset } = scored.choices[0]!.logprobs!;
    expect(scored.choices[0]!.text).toBe(prompt);
    expect(token_logprobs![0]).toBeNull();
    for (const [i, table] of top_logprobs!.slice(1).entries())
      expect(Object.values(table)).toContain(token_logprobs![i + 1]);
    expect(text_offset).toHaveLength(tokens!.length);
    // The same as generating them: greedy continuation, then its score.
    const grown = await client.completions.create({
      model,
      prompt,
      temperature: 0,
      max_tokens: 1,
      logprobs: 1,
      echo: true,
    });
    const generated = grown.choices[0]!.logprobs!;
    expect(generated.token_logprobs!.slice(0, tokens!.length)).toEqual(token_logprobs);
    const [best] = Object.values(generated.top_logprobs!.at(-1)!);
    expect(generated.token_logprobs!.at(-1)).toBe(best);
  });

  test('several prompts and several answers each, seeded: the same again', async () => {
    const request = { model, prompt: ['The sea', 'The ship'], n: 2, seed: 5, max_tokens: 12 };
    const [first, again] = await Promise.all([
      served.client.completions.create(request),
      served.client.completions.create(request),
    ]);
    const texts = first.choices.map(({ text }) => text);
    expect(again.choices.map(({ text }) => text)).toEqual(texts);
    expect(new Set(texts).size).toBe(4);
  });

  test('a stop string ends the text before it', async () => {
    const request = { model, prompt: 'It was a dark night, and', temperature: 0, max_tokens: 40 };
    const whole = (await served.client.completions.create(request)).choices[0]!.text;
    const stop = whole.slice(10, 17);
    const [choice] = (await served.client.completions.create({ ...request, stop })).choices;
    expect(choice).toMatchObject({ text: whole.slice(0, whole.indexOf(stop)), finish_reason: 'stop' });
  });
});

describe('chat', () => {
  test('a stream is the whole answer in pieces, with its usage and log-probabilities', async () => {
    const request = {
      model,
      messages: [{ role: 'user' as const, content: 'Where is the captain?' }],
      seed: 11,
      max_tokens: 30,
      logprobs: true,
      top_logprobs: 2,
    };
    const whole = await served.client.chat.completions.create(request);
    const stream = await served.client.chat.completions.create({
      ...request,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = '';
    let usage: unknown;
    const logprobs: unknown[] = [];
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? '';
      logprobs.push(...(chunk.choices[0]?.logprobs?.content ?? []));
      usage = chunk.usage ?? usage;
    }
    expect(text).toBe(whole.choices[0]!.message.content);
    expect(logprobs).toEqual(whole.choices[0]!.logprobs!.content);
    expect(usage).toMatchObject({ completion_tokens: 30, prompt_tokens: whole.usage!.prompt_tokens });
  });

  test('a conversation that goes on finds its beginning in the cache', async () => {
    const opening = 'Tell me of the sea, the ship, the captain and the long night that they spent. '.repeat(
      4,
    );
    const messages = [{ role: 'user' as const, content: opening }];
    const first = await served.client.chat.completions.create({ model, messages, max_tokens: 20, seed: 1 });
    const { content } = first.choices[0]!.message;
    const next = await served.client.chat.completions.create({
      model,
      messages: [...messages, { role: 'assistant', content }, { role: 'user', content: 'And then?' }],
      max_tokens: 5,
    });
    const { prompt_tokens, prompt_tokens_details } = next.usage!;
    expect(prompt_tokens_details!.cached_tokens!).toBeGreaterThan(prompt_tokens / 2);
  });
});

describe('answers of a given form', () => {
  const messages = [{ role: 'user' as const, content: 'Who is the captain?' }];
  const schema = {
    type: 'object',
    properties: { name: { enum: ['Ahab', 'Nemo'] }, age: { type: 'integer', minimum: 20, maximum: 99 } },
    required: ['name', 'age'],
    additionalProperties: false,
  };

  test('response_format json_schema, whole and streamed', async () => {
    const request = {
      model,
      messages,
      seed: 4,
      response_format: { type: 'json_schema' as const, json_schema: { name: 'captain', schema } },
    };
    const { choices } = await served.client.chat.completions.create(request);
    const captain = JSON.parse(choices[0]!.message.content!) as { name: string; age: number };
    expect(choices[0]!.finish_reason).toBe('stop');
    expect(['Ahab', 'Nemo']).toContain(captain.name);
    expect(captain.age >= 20 && captain.age <= 99).toBe(true);
    let streamed = '';
    for await (const chunk of await served.client.chat.completions.create({ ...request, stream: true }))
      streamed += chunk.choices[0]?.delta.content ?? '';
    expect(streamed).toBe(choices[0]!.message.content);
  });

  test('a tool that must be called is called with arguments of its schema', async () => {
    const { choices } = await served.client.chat.completions.create({
      model,
      messages,
      seed: 2,
      tools: [{ type: 'function', function: { name: 'note_captain', parameters: schema } }],
      tool_choice: 'required',
      parallel_tool_calls: false,
    });
    const [call] = choices[0]!.message.tool_calls!;
    expect(choices[0]!.finish_reason).toBe('tool_calls');
    if (call?.type !== 'function') throw new Error('no function was called');
    expect(call.function.name).toBe('note_captain');
    expect(Object.keys(JSON.parse(call.function.arguments) as object)).toEqual(['name', 'age']);
  });

  test('structured_outputs: a choice, an expression, rules', async () => {
    const ask = async (structured_outputs: object) => {
      const body = { model, prompt: 'The weather is', max_tokens: 30, seed: 1, structured_outputs };
      return (await served.client.completions.create(body)).choices[0]!.text;
    };
    expect(['calm "sea"', 'storm']).toContain(await ask({ choice: ['calm "sea"', 'storm'] }));
    expect(await ask({ regex: '[a-c]{4}' })).toMatch(/^[a-c]{4}$/);
    expect(await ask({ grammar: 'root ::= "wind " [0-9]' })).toMatch(/^wind \d$/);
    await expect(ask({ regex: '[' })).rejects.toMatchObject({ status: 400 });
    await expect(ask({ regex: 'a', choice: ['b'] })).rejects.toMatchObject({ status: 400 });
    await expect(ask({ json: '{' })).rejects.toMatchObject({ status: 400, param: 'structured_outputs.json' });
  });
});

describe('many at once', () => {
  test('64 streams: every one whole, each as it is alone', async () => {
    const ask = (seed: number) => ({
      model,
      prompt: `Chapter ${seed}. The captain`,
      max_tokens: 16 + (seed % 32),
      seed,
      stream: true as const,
      stream_options: { include_usage: true },
      // Its own end must not shorten it.
      ignore_eos: true,
    });
    const read = async (seed: number) => {
      let text = '';
      let tokens: number | undefined;
      for await (const chunk of await served.client.completions.create(ask(seed))) {
        text += chunk.choices[0]?.text ?? '';
        tokens = chunk.usage?.completion_tokens ?? tokens;
      }
      return { text, tokens };
    };
    const all = await Promise.all(Array.from({ length: 64 }, (_, seed) => read(seed)));
    for (const [seed, { tokens }] of all.entries()) expect(tokens).toBe(16 + (seed % 32));
    for (const seed of [0, 17, 63]) expect(await read(seed)).toEqual(all[seed]);
  });

  test('clients that leave free what they held', async () => {
    const controllers = Array.from({ length: 12 }, () => new AbortController());
    const streams = controllers.map(async ({ signal }) => {
      const request = { model, prompt: 'The', max_tokens: 900, stream: true as const, ignore_eos: true };
      for await (const _ of await served.client.completions.create(request, { signal }));
    });
    await expect.poll(() => metric('vllm:num_requests_running'), patience).toBe(12);
    for (const controller of controllers) controller.abort();
    await Promise.allSettled(streams);
    await expect.poll(() => metric('vllm:num_requests_running'), patience).toBe(0);
    expect(await metric('vllm:num_requests_waiting')).toBe(0);
    expect(await metric('vllm:kv_cache_usage_perc')).toBe(0);
  });
});

describe('signals', () => {
  const longStream = { model, prompt: 'The', max_tokens: 300, stream: true as const, ignore_eos: true };

  test('SIGTERM in the middle of a stream: the stream ends whole, new requests are refused, the code is 0', async () => {
    await using own = await serveModel('--kv-memory', '16M', '--drain-timeout', '60');
    const stream = await own.client.completions.create(longStream);
    const chunks = stream[Symbol.asyncIterator]();
    expect((await chunks.next()).done).toBe(false);
    const ended = own.end('SIGTERM');
    await expect
      .poll(async () => (await fetch(`${own.url}/ready`).catch(() => ({ status: 0 }))).status)
      .not.toBe(200);
    let finish: string | undefined;
    for (let next = await chunks.next(); !next.done; next = await chunks.next())
      finish = next.value.choices[0]?.finish_reason ?? finish;
    expect(finish).toBe('length');
    expect(await ended).toBe(0);
  });

  test('a drain that takes too long is cut: the client gets an error frame, the code is 0', async () => {
    await using own = await serveModel('--kv-memory', '16M', '--drain-timeout', '0', '--max-batch', '64');
    const requests = Array.from({ length: 32 }, async () => {
      for await (const _ of await own.client.completions.create({ ...longStream, max_tokens: 900 }));
    });
    const outcomes = Promise.allSettled(requests);
    await expect
      .poll(async () => await (await fetch(`${own.url}/load`)).text(), patience)
      .toBe('{"server_load":32}');
    expect(await own.end('SIGINT')).toBe(0);
    for (const outcome of await outcomes) {
      expect(outcome.status).toBe('rejected');
      if (outcome.status === 'rejected') expect(String(outcome.reason)).toMatch(/shutting down/);
    }
  });

  test('a second signal ends the wait; a terminal that closes begins one', async () => {
    await using own = await serveModel('--kv-memory', '16M', '--max-batch', '64');
    const busy = Array.from({ length: 48 }, async () => {
      for await (const _ of await own.client.completions.create({ ...longStream, max_tokens: 900 }));
    });
    const outcomes = Promise.allSettled(busy);
    const load = async () => await (await fetch(`${own.url}/load`)).text();
    await expect.poll(load, patience).toBe('{"server_load":48}');
    const ended = own.end('SIGHUP');
    await expect.poll(async () => (await fetch(`${own.url}/ready`)).status, patience).toBe(503);
    await setTimeout(600);
    own.child.kill('SIGTERM');
    expect(await ended).toBe(0);
    const rejected = (await outcomes).filter(({ status }) => status === 'rejected');
    expect(rejected.length).toBeGreaterThan(0);
  });

  test.each(['json', 'text'])('it outlives whoever reads its log, in %s', async (format) => {
    await using own = await serveModel('--kv-memory', '16M', '--log-format', format);
    own.child.stdout.destroy();
    own.child.stderr.destroy();
    for (let i = 0; i < 3; i++) {
      const answer = await own.client.completions.create({ model, prompt: 'The', max_tokens: 2 });
      expect(answer.choices).toHaveLength(1);
    }
    expect(await own.end('SIGTERM')).toBe(0);
  });

  test.skipIf(!existsSync('/dev/full')).each(['json', 'text'])(
    'a full disk costs the log its lines, in %s, and nobody an answer',
    async (format) => {
      const full = openSync('/dev/full', 'w');
      const bin = resolve(modelPath, '../../bin/atom.js');
      const args = [bin, 'serve', modelPath, '--port', '0', '--threads', '1', '--log-format', format];
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', full] });
      closeSync(full);
      const exited = once(child, 'exit');
      let printed = '';
      child.stdout!.on('data', (text) => {
        printed += text;
      });
      const url = () => /at (http:\S+)/.exec(printed)?.[1];
      await expect.poll(() => url() ?? child.exitCode, patience).toMatch(/^http/);
      for (let i = 0; i < 3; i++) expect((await fetch(`${url()}/v1/models`)).status).toBe(200);
      child.kill('SIGTERM');
      expect(await exited).toEqual([0, null]);
    },
  );

  test('a signal that npm hands on a little later does not kill an idle server on its way out', async () => {
    await using own = await serveModel('--kv-memory', '16M');
    const ended = own.end('SIGINT');
    for (const wait of [2, 4, 8, 16, 32, 64]) {
      await setTimeout(wait);
      if (own.child.exitCode === null && own.child.signalCode === null) own.child.kill('SIGINT');
    }
    expect(await ended).toBe(0);
  });

  test('SIGTERM before it is ready ends with code 0', async () => {
    const own = startServing();
    const ended = once(own, 'exit');
    own.stderr.on('data', (text) => String(text).includes('Server listening') && own.kill('SIGTERM'));
    expect(await ended).toEqual([0, null]);
  });

  test('SIGKILL leaves nothing in the way of the next start', async () => {
    const first = await serveModel('--kv-memory', '16M');
    const { port } = new URL(first.url);
    expect(await first.end('SIGKILL')).toBe('SIGKILL');
    await using second = await serveModel('--kv-memory', '16M', '--port', port);
    expect(second.url).toBe(first.url);
    const answer = await second.client.completions.create({ model, prompt: 'The', max_tokens: 3 });
    expect(answer.usage!.completion_tokens).toBeGreaterThan(0);
    // A connection that never speaks does not hold the shutdown.
    const silent = createConnection(Number(port), '127.0.0.1');
    silent.on('error', () => {});
    await new Promise((resolve) => silent.once('connect', resolve));
    expect(await second.end('SIGTERM')).toBe(0);
  });
});

test('a preset quantizes the model at the first start and finds it at the second', async () => {
  const cache = mkdtempSync(join(tmpdir(), 'atom-serve-'));
  vi.stubEnv('XDG_CACHE_HOME', cache);
  try {
    for (const start of ['first', 'second']) {
      await using own = await serveModel('--preset', 'rtn-w4a16', '--kv-memory', '16M', '--max-batch', '4');
      expect([start, own.output().includes(' became ')]).toEqual([start, start === 'first']);
      const [shown] = (await own.client.models.list()).data as unknown as {
        id: string;
        atom: { layers: { name: string; declared: string; executed: string }[] };
      }[];
      expect(shown!.id).toBe(model);
      const bits = { declared: 'W4A16', executed: 'W4A16' };
      expect(shown!.atom.layers[0]).toMatchObject({ name: 'layers.0.qkv', ...bits });
      expect(shown!.atom.layers.at(-1)).toMatchObject({ name: 'lm_head', declared: 'W16A16' });
      const answer = await own.client.completions.create({ model, prompt: 'The', max_tokens: 3, seed: 1 });
      expect(answer.choices[0]!.text).not.toBe('');
    }
  } finally {
    vi.unstubAllEnvs();
    rmSync(cache, { recursive: true });
  }
});

describe('what keeps it from serving is one line and a code', () => {
  test.each([
    [['--kv-memory', '100'], /KV cache|cache of/],
    [['--context', '1024', '--kv-memory', '1M'], /context of 1024/],
    [['--port', '99999'], /--port/],
    [['--compute', 'f32', '--strict-precision'], /layers\.0\.qkv is W16A16 .* would run as W32A32/],
    [['--preset', 'no-such'], /no preset 'no-such'/],
  ])('%s', async (options, message) => {
    await expect(serveModel(...options)).rejects.toThrow(message);
  });

  test('a port that is taken is found out before a model is quantized', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const cache = mkdtempSync(join(tmpdir(), 'atom-serve-'));
    vi.stubEnv('XDG_CACHE_HOME', cache);
    try {
      const { port } = other.address() as AddressInfo;
      const busy = serveModel('--preset', 'atom', '--port', String(port));
      await expect(busy).rejects.toThrow(/code 1: atom: cannot listen on .*choose another --port/);
      expect(readdirSync(cache)).toEqual([]);
    } finally {
      vi.unstubAllEnvs();
      rmSync(cache, { recursive: true });
      other.close();
    }
  });
});
