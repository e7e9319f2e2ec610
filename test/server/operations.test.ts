// What an operator relies on: health, keys, limits, queues, draining, logs, metrics.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import type { ServingEngine } from '../../src/engine/engine-types.ts';
import { readServerOptions } from '../../src/server/read-options.ts';
import { startServer } from '../../src/server/server.ts';
import { jsonOf, run, runScript } from './running-server.ts';
import { modelPath, ScriptedEngine } from './scripted-engine.ts';

const prompt = { prompt: 'Once', max_tokens: 400 };
const long = { answer: () => 'and so on '.repeat(200), stepMs: 5 };

async function statuses(get: (path: string) => Promise<Response>): Promise<Record<string, number>> {
  const paths = ['/live', '/health', '/ready', '/ping', '/v1/models'];
  return Object.fromEntries(await Promise.all(paths.map(async (path) => [path, (await get(path)).status])));
}

describe('health', () => {
  test('while loading it is alive, but neither healthy nor ready', async () => {
    let loaded: (engine: ServingEngine) => void = () => {};
    await using server = await run({ load: () => new Promise((resolve) => (loaded = resolve)) });
    expect(await statuses(server.get)).toEqual({
      '/live': 200,
      '/health': 503,
      '/ready': 503,
      '/ping': 503,
      '/v1/models': 503,
    });
    const refused = await server.post('/v1/completions', prompt);
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toBe('2');
    expect(await refused.json()).toMatchObject({ error: { code: 'model_not_ready' } });
    loaded(new ScriptedEngine());
    await server.server.ready;
    expect(await statuses(server.get)).toEqual({
      '/live': 200,
      '/health': 200,
      '/ready': 200,
      '/ping': 200,
      '/v1/models': 200,
    });
    expect((await jsonOf<{ version: string }>(server.get('/version'))).version).toMatch(/^\d+\.\d+\.\d+/);
  });

  test('a model that does not load closes the server and says why', async () => {
    const server = await run({ load: async () => Promise.reject(new Error('no such weights')) });
    await expect(server.server.ready).rejects.toThrow('no such weights');
    await expect(server.get('/live')).rejects.toThrow();
  });

  test('an engine that has failed turns health to 503', async () => {
    await using server = await runScript({});
    server.engine.failed = true;
    expect(await statuses(server.get)).toMatchObject({ '/live': 200, '/health': 503, '/ready': 503 });
  });
});

describe('draining', () => {
  test('running streams end properly, new requests go elsewhere, then it closes', async () => {
    const server = await runScript({ answer: () => 'one two three four', stepMs: 250 });
    const running = await server.post('/v1/completions', { ...prompt, stream: true });
    const drained = server.server.drain();
    expect(await statuses(server.get)).toEqual({
      '/live': 200,
      '/health': 200,
      '/ready': 503,
      '/ping': 200,
      '/v1/models': 503,
    });
    const refused = await server.post('/v1/completions', prompt);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '5']);
    expect(refused.headers.get('connection')).toBe('close');
    const text = await running.text();
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
    expect(text).toContain('"finish_reason":"stop"');
    await drained;
    expect(server.engine.closed).toBe(true);
    await expect(server.get('/live')).rejects.toThrow();
  });

  test('streams that outlast the deadline end with an error', async () => {
    const server = await runScript(long, { drainTimeout: 0.1 });
    const running = await server.post('/v1/completions', { ...prompt, stream: true });
    const whole = server.post('/v1/completions', prompt);
    await expect.poll(() => server.engine.active).toBe(2);
    await server.server.drain();
    const frames = (await running.text()).trimEnd().split('\n\n');
    expect(frames.at(-1)).toBe('data: [DONE]');
    expect(JSON.parse(frames.at(-2)!.slice(6))).toMatchObject({ error: { code: 'server_shutting_down' } });
    expect((await whole).status).toBe(503);
    expect(server.engine.active).toBe(0);
  });
});

describe('overload', () => {
  test('beyond the queue it is 429 with a time to come back, and the places are given back', async () => {
    await using server = await runScript({ ...long, maxBatch: 2 }, { maxQueue: 2 });
    const controller = new AbortController();
    const { signal } = controller;
    const headers = { 'content-type': 'application/json' };
    const start = () =>
      fetch(`${server.url}/v1/completions`, {
        method: 'POST',
        headers,
        body: JSON.stringify({ ...prompt, n: 2, stream: true }),
        signal,
      });
    await Promise.all([start(), start()]);
    expect((await jsonOf<{ server_load: number }>(server.get('/load'))).server_load).toBe(2);
    const refused = await server.post('/v1/completions', prompt);
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(60);
    expect(await refused.json()).toMatchObject({ error: { code: 'queue_full', type: 'rate_limit_error' } });
    expect(await (await server.get('/metrics')).text()).toContain(
      'vllm:admission_rejections_total{model_name="tiny-classics",engine="0",reason="queue"} 1',
    );
    // What can never fit is the client's fault.
    expect((await server.post('/v1/completions', { ...prompt, n: 5 })).status).toBe(400);
    controller.abort();
    await expect
      .poll(async () => (await jsonOf<{ server_load: number }>(server.get('/load'))).server_load)
      .toBe(0);
    expect((await server.post('/v1/completions', { ...prompt, max_tokens: 2 })).status).toBe(200);
  });

  test('a key beyond its share gets 429, another key its turn', async () => {
    await using server = await runScript(long, { apiKey: ['one', 'two'], maxRequestsPerKey: 1 });
    const as = (key: string, body: object) =>
      server.post('/v1/completions', body, { authorization: `Bearer ${key}` });
    const first = await as('one', { ...prompt, stream: true });
    const second = await as('one', prompt);
    expect([second.status, Number(second.headers.get('retry-after')) >= 1]).toEqual([429, true]);
    expect(await second.json()).toMatchObject({ error: { code: 'rate_limit_exceeded' } });
    expect((await as('two', { ...prompt, max_tokens: 1 })).status).toBe(200);
    await first.body!.cancel();
  });

  test('too many prompt tokens in flight wait outside', async () => {
    await using server = await runScript(long, { maxQueuedTokens: 10 });
    const first = await server.post('/v1/completions', {
      prompt: Array(8).fill(5),
      max_tokens: 100,
      stream: true,
    });
    expect((await server.post('/v1/completions', { prompt: [1, 2, 3] })).status).toBe(429);
    await first.body!.cancel();
    await expect.poll(() => server.engine.active).toBe(0);
    expect((await server.post('/v1/completions', { prompt: Array(50).fill(5), max_tokens: 1 })).status).toBe(
      200,
    );
  });

  test('an answer that takes too long is cut off', async () => {
    await using server = await runScript(long, { requestTimeout: 0.2 });
    const response = await server.post('/v1/completions', prompt);
    expect([response.status, response.headers.get('x-should-retry')]).toEqual([504, 'false']);
    expect(server.engine.active).toBe(0);
  });

  test('the operator limits the length of answers', async () => {
    await using server = await runScript(long, { maxOutputTokens: 5 });
    expect((await server.post('/v1/completions', { prompt: 'a', max_tokens: 6 })).status).toBe(400);
    const chat = { messages: [{ role: 'user', content: 'a' }] };
    expect(await jsonOf(server.post('/v1/chat/completions', chat))).toMatchObject({
      usage: { completion_tokens: 5 },
    });
  });

  test('a client that reads nothing holds up neither the server nor the others', async () => {
    await using server = await runScript({ answer: () => 'word '.repeat(900) });
    const body = { prompt: 'a', max_tokens: 1000, stream: true, n: 8, logprobs: 5 };
    const silent = await server.post('/v1/completions', body);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect((await server.post('/v1/completions', { ...prompt, max_tokens: 1 })).status).toBe(200);
    const text = await silent.text();
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
    expect(text.match(/"finish_reason":"stop"/g)).toHaveLength(8);
  });
});

describe('keys', () => {
  test('without the right one nothing is done, health and metrics stay open', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'atom-keys-'));
    const apiKeyFile = join(folder, 'keys');
    writeFileSync(apiKeyFile, '# of the team\nalpha-key\n\n  beta-key  \n');
    await using server = await runScript({}, { apiKey: ['gamma-key'], apiKeyFile });
    rmSync(folder, { recursive: true });
    for (const key of ['alpha-key', 'beta-key', 'gamma-key']) {
      const response = await server.post('/v1/completions', prompt, { authorization: `Bearer ${key}` });
      expect(response.status).toBe(200);
    }
    const wrong = [
      '',
      'Bearer',
      'Bearer ',
      'Bearer alpha',
      'Bearer alpha-key2',
      'Basic alpha-key',
      'alpha-key',
      'Bearer # of the team',
    ];
    for (const authorization of wrong) {
      const response = await server.post(
        '/v1/completions',
        prompt,
        authorization === '' ? {} : { authorization },
      );
      expect([authorization, response.status]).toEqual([authorization, 401]);
      expect(response.headers.get('www-authenticate')).toBe('Bearer');
      expect(await response.json()).toMatchObject({ error: { code: 'invalid_api_key' } });
    }
    for (const path of ['/v1/models', '/tokenizer_info', '/v1/atom/stats'])
      expect((await server.get(path)).status).toBe(401);
    for (const path of ['/health', '/ready', '/live', '/metrics', '/version', '/openapi.json', '/'])
      expect((await server.get(path)).status).toBe(200);
  });

  test('a key file that is missing or empty is refused at the start', async () => {
    await expect(run({ options: { apiKeyFile: '/no/such/file' } })).rejects.toMatchObject({
      code: 'bad-option',
    });
    await expect(run({ options: { apiKeyFile: '/dev/null' } })).rejects.toMatchObject({ code: 'bad-option' });
  });
});

test('pages of allowed origins may call, others get no permission', async () => {
  await using server = await runScript({}, { corsOrigin: ['https://app.example'], apiKey: ['k'] });
  const preflight = (origin: string) =>
    fetch(`${server.url}/v1/chat/completions`, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization, content-type',
      },
    });
  const good = await preflight('https://app.example');
  expect(good.status).toBe(204);
  expect(good.headers.get('access-control-allow-origin')).toBe('https://app.example');
  expect(good.headers.get('access-control-allow-headers')).toBe('authorization, content-type');
  expect((await preflight('https://evil.example')).headers.get('access-control-allow-origin')).toBeNull();
  const stream = await server.post(
    '/v1/completions',
    { ...prompt, stream: true },
    { origin: 'https://app.example', authorization: 'Bearer k' },
  );
  expect(stream.headers.get('access-control-allow-origin')).toBe('https://app.example');
  await stream.text();
});

describe('streams', () => {
  test('have the headers that proxies and clients need', async () => {
    await using server = await runScript({});
    const response = await server.post(
      '/v1/completions',
      { ...prompt, stream: true },
      { 'x-request-id': 'mine-1' },
    );
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
      'x-request-id': 'mine-1',
    });
    const text = await response.text();
    for (const frame of text.trimEnd().split('\n\n')) expect(frame).toMatch(/^data: (\{.*\}|\[DONE\])$/);
  });

  test('show the usage so far to those who ask', async () => {
    await using server = await runScript({ answer: () => 'a b c' });
    const stream_options = { include_usage: true, continuous_usage_stats: true };
    const text = await (
      await server.post('/v1/completions', { ...prompt, stream: true, stream_options })
    ).text();
    const frames = text
      .trimEnd()
      .split('\n\n')
      .slice(0, -1)
      .map((frame) => JSON.parse(frame.slice(6)));
    const counts = frames.map(({ usage }) => usage.completion_tokens);
    expect(counts).toEqual([...counts].sort((a, b) => a - b));
    expect(frames.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: counts.at(-1) } });
  });
});

test('logs say who asked for how much, and not what', async () => {
  const lines: string[] = [];
  const logger = pino({ level: 'debug' }, { write: (line) => void lines.push(line) });
  const options = readServerOptions({ flags: { port: 0 } });
  const server = await startServer({ modelPath, options, logger, load: async () => new ScriptedEngine() });
  await server.ready;
  const headers = { 'content-type': 'application/json', 'x-request-id': 'r-1' };
  await (
    await fetch(`${server.url}/v1/completions?secret=1`, {
      method: 'POST',
      headers,
      body: '{"prompt":"my secret"}',
    })
  ).text();
  await server.close();
  const log = lines.join('');
  expect(log).not.toContain('secret');
  const own = lines.map((line) => JSON.parse(line)).filter(({ reqId }) => reqId === 'r-1');
  expect(own).toContainEqual(
    expect.objectContaining({
      msg: 'answered',
      promptTokens: expect.any(Number),
      completionTokens: expect.any(Number),
    }),
  );
  expect(own).toContainEqual(
    expect.objectContaining({ msg: 'request', method: 'POST', path: '/v1/completions', status: 200 }),
  );
});

test('an operator who wants prompts and answers in the log has both', async () => {
  const lines: string[] = [];
  const logger = pino({ level: 'info' }, { write: (line) => void lines.push(line) });
  const options = { ...readServerOptions({ flags: { port: 0 } }), logPrompts: true };
  const load = async () => new ScriptedEngine({ answer: (_, index) => `Answer ${index}.` });
  const server = await startServer({ modelPath, options, logger, load });
  await server.ready;
  const body = JSON.stringify({ prompt: 'a question', n: 2, max_tokens: 20 });
  const headers = { 'content-type': 'application/json' };
  await (await fetch(`${server.url}/v1/completions`, { method: 'POST', headers, body })).text();
  await server.close();
  const log = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(log).toContainEqual(expect.objectContaining({ msg: 'prompt', prompt: ['a question'] }));
  expect(log).toContainEqual(expect.objectContaining({ msg: 'answered', texts: ['Answer 0.', 'Answer 1.'] }));
});

test('metrics have the names that dashboards read', async () => {
  await using server = await runScript({ answer: () => 'a b c d' });
  await (await server.post('/v1/completions', { ...prompt, stream: true })).text();
  await server.post('/v1/nowhere', {});
  const text = await (await server.get('/metrics')).text();
  const value = (name: string) =>
    Number(new RegExp(`^${name.replace(/[{}]/g, '\\$&')} (.*)$`, 'm').exec(text)?.[1]);
  const labels = '{model_name="tiny-classics",engine="0"}';
  const gauges = [
    'num_requests_running',
    'num_requests_waiting',
    'kv_cache_usage_perc',
    'gpu_cache_usage_perc',
  ];
  const counters = [
    'prompt_tokens_total',
    'generation_tokens_total',
    'num_preemptions_total',
    'prefix_cache_queries_total',
    'prefix_cache_hits_total',
    'spec_decode_num_drafts_total',
    'spec_decode_num_draft_tokens_total',
    'spec_decode_num_accepted_tokens_total',
  ];
  for (const name of [...gauges, ...counters])
    expect([name, value(`vllm:${name}${labels}`) >= 0]).toEqual([name, true]);
  const histograms = [
    'time_to_first_token_seconds',
    'inter_token_latency_seconds',
    'time_per_output_token_seconds',
    'e2e_request_latency_seconds',
    'request_queue_time_seconds',
    'request_prefill_time_seconds',
    'request_decode_time_seconds',
    'request_inference_time_seconds',
    'request_prompt_tokens',
    'request_generation_tokens',
    'request_max_num_generation_tokens',
    'request_params_n',
    'request_params_max_tokens',
    'iteration_tokens_total',
  ];
  for (const name of histograms)
    expect([name, value(`vllm:${name}_count${labels}`) >= 1]).toEqual([name, true]);
  expect(
    value('vllm:request_success_total{model_name="tiny-classics",engine="0",finished_reason="stop"}'),
  ).toBe(1);
  const cache = 'block_size="32",num_gpu_blocks="64",cache_dtype="int4",enable_prefix_caching="True"';
  expect(text).toContain(`vllm:cache_config_info{model_name="tiny-classics",engine="0",${cache}} 1\n`);
  // The first failure counts as an increase.
  expect(value('atom:requests_aborted_total{model_name="tiny-classics",engine="0",reason="failure"}')).toBe(
    0,
  );
  expect(text).toContain('http_requests_total{handler="/v1/completions",method="POST",status="2xx"} 1');
  expect(text).toContain('http_requests_total{handler="none",method="POST",status="4xx"} 1');
});

interface Stats {
  readonly latencies: { readonly timeToFirstToken: { readonly p50: number } };
  readonly samples: { readonly time: number }[];
}

test('the dashboard reads samples and percentiles', async () => {
  await using server = await runScript({});
  await (await server.post('/v1/completions', prompt)).text();
  const read = (since: number) => jsonOf<Stats>(server.get(`/v1/atom/stats?since=${since}`));
  await expect.poll(async () => (await read(0)).samples.length, { timeout: 3000 }).toBeGreaterThan(0);
  const stats = await read(0);
  expect(stats).toMatchObject({ state: 'ready', model: 'tiny-classics', max_model_len: 1024 });
  expect(stats.latencies.timeToFirstToken.p50).toBeGreaterThan(0);
  const { time } = stats.samples.at(-1)!;
  for (const sample of (await read(time)).samples) expect(sample.time).toBeGreaterThan(time);
});

interface Tokenized {
  readonly tokens: number[];
  readonly count: number;
  readonly max_model_len: number;
  readonly token_strs: string[] | null;
}

test('tokens and text go both ways as remote tokenizers expect', async () => {
  await using server = await runScript({});
  const tokenize = (body: object) => jsonOf<Tokenized>(server.post('/tokenize', body));
  const { tokens, count, max_model_len } = await tokenize({
    prompt: 'Once upon a time',
    add_special_tokens: false,
  });
  expect([tokens.length, max_model_len]).toEqual([count, 1024]);
  expect(await jsonOf(server.post('/detokenize', { tokens }))).toEqual({ prompt: 'Once upon a time' });
  expect(await jsonOf(server.get('/tokenizer_info'))).toMatchObject({
    bos_token: '<|begin_of_text|>',
    eos_token: '<|end_of_text|>',
    chat_template: expect.stringContaining('said the visitor'),
  });
  // How they find the number of the token that ends a text.
  const end = { prompt: '<|end_of_text|>', add_special_tokens: false };
  expect((await tokenize(end)).tokens).toEqual([server.engine.tokenizer.eosId]);
  const unknown = await server.post('/detokenize', { tokens: [5, 4096] });
  expect([unknown.status, await unknown.json()]).toMatchObject([400, { error: { param: 'tokens' } }]);
  const chat = await tokenize({ messages: [{ role: 'user', content: 'Hi' }], return_token_strs: true });
  expect(chat.token_strs).toHaveLength(chat.count);
});

test('the OpenAPI document describes every route with the schemas that check it', async () => {
  await using server = await runScript({});
  const document = await jsonOf<{ paths: Record<string, object> }>(server.get('/openapi.json'));
  const schema = { required: ['messages'], properties: { messages: { type: 'array' } } };
  expect(document).toMatchObject({
    openapi: '3.1.0',
    paths: {
      '/v1/chat/completions': { post: { requestBody: { content: { 'application/json': { schema } } } } },
    },
  });
  const documented = [
    '/v1/completions',
    '/v1/models',
    '/v1/models/{id}',
    '/tokenize',
    '/detokenize',
    '/health',
    '/ready',
    '/metrics',
  ];
  expect(Object.keys(document.paths)).toEqual(expect.arrayContaining(documented));
});
