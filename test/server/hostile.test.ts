// Two thousand malformed and hostile requests: each a 4xx in OpenAI's shape or a clean close, and the server as good after.
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hostileBodies } from './hostile-bodies.ts';
import { exchange, httpText } from './raw-socket.ts';
import { type Running, runScript } from './running-server.ts';
import type { ScriptedEngine } from './scripted-engine.ts';

let server: Running & { engine: ScriptedEngine };
beforeAll(async () => {
  server = await runScript({ answer: () => 'All is well.' }, { receiveTimeout: 2, maxBody: 2 ** 20 });
});
afterAll(() => server[Symbol.asyncDispose]());

const errorShape = {
  error: {
    message: expect.any(String),
    type: expect.any(String),
    param: expect.toSatisfy(isTextOrNull),
    code: expect.toSatisfy(isTextOrNull),
  },
};

function isTextOrNull(value: unknown): boolean {
  return value === null || typeof value === 'string';
}

async function expectRefusal(response: Response): Promise<void> {
  expect(response.status).toBeGreaterThanOrEqual(400);
  expect(response.status).toBeLessThan(500);
  expect(await response.json()).toEqual(errorShape);
}

/** One refusal, or nothing at all: never a success, never another shape. */
function expectRefusalText(said: string): void {
  if (said === '') return;
  expect(said).toMatch(/^HTTP\/1\.1 4\d\d /);
  const [head = '', ...bodies] = said.split('\r\n\r\n');
  if (/content-length: 0/.test(head)) return;
  expect(JSON.parse(bodies.join('\r\n\r\n'))).toEqual(errorShape);
}

async function expectWell(): Promise<void> {
  const completion = await server.client.completions.create({
    model: 'tiny-classics',
    prompt: 'How is it?',
    max_tokens: 50,
  });
  expect(completion.choices[0]).toMatchObject({ text: 'All is well.', finish_reason: 'stop' });
  expect((await server.get('/ready')).status).toBe(200);
  expect(server.engine.active).toBe(0);
}

test('1,700 bodies', async () => {
  const bodies = fc.sample(hostileBodies, { numRuns: 1700, seed: 20_261_121 });
  const send = async ({ path, body }: { path: string; body: Buffer }) => {
    const response = await fetch(server.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    const answer: unknown = await response.json();
    const what = `${path} ${body.toString('utf8', 0, 200)}`;
    expect({ what, status: response.status >= 400 && response.status < 500, answer }).toEqual({
      what,
      status: true,
      answer: errorShape,
    });
  };
  for (let i = 0; i < bodies.length; i += 20) await Promise.all(bodies.slice(i, i + 20).map(send));
  await expectWell();
});

describe('paths, methods and headers', () => {
  const paths = [
    '/v1',
    '/v1/',
    '/v2/completions',
    '/v1/completions/',
    '/v1/completions/x',
    '/../../etc/passwd',
    '/..%2f..%2fetc%2fpasswd',
    '/assets/../../package.json',
    '/assets/%2e%2e/%2e%2e/package.json',
    '/%00',
    '/v1/models/../../x',
    '/v1/models/%2e%2e%2f',
    '/v1/models/nope',
    '/%',
    '/%c0%af',
    '/%ff',
    '/v1/models/%e0%a4',
    '/.env',
    '/.git/config',
    '//etc/passwd',
    `/${'a'.repeat(5000)}`,
    '/?x=%',
    '/v1/completions?x[]=1',
    '/constructor',
    '/__proto__',
    '/v1/models/__proto__',
    '/index.html%00.js',
    '/web/dist/index.html',
  ];

  test.each(paths)('GET %s', async (path) => {
    const said = await exchange(server.url, httpText('GET', path, ''));
    // The root has a page for everybody.
    if (path.startsWith('/?')) expect(said).toMatch(/^HTTP\/1\.1 200 /);
    else expectRefusalText(said);
    expect(said).not.toContain('root:');
    expect(said).not.toContain('"dependencies"');
  });

  test.each(['PUT', 'DELETE', 'PATCH', 'GET'])('%s on a POST route is 405', async (method) => {
    const response = await fetch(`${server.url}/v1/completions`, { method });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('POST');
    await expectRefusal(response);
  });

  test('what a GET route takes is said with the 405', async () => {
    const response = await server.post('/v1/models', {});
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    expect((await fetch(`${server.url}/v1/models`, { method: 'HEAD' })).status).toBe(200);
  });

  test.each(['text/plain', 'application/xml', 'multipart/form-data; boundary=x', ''])(
    'content type "%s" is 415',
    async (type) => {
      const said = await exchange(
        server.url,
        httpText('POST', '/v1/completions', '{"prompt":"a"}', { 'content-type': type }),
      );
      expect(said).toMatch(/^HTTP\/1\.1 415 /);
      expectRefusalText(said);
    },
  );

  test('a compressed body is 415, one that expects too much 417', async () => {
    const said = await exchange(
      server.url,
      httpText('POST', '/v1/completions', gzipSync('{"prompt":"a"}'), { 'content-encoding': 'gzip' }),
    );
    expect(said).toMatch(/^HTTP\/1\.1 415 .*compressed/s);
    expectRefusalText(said);
    const expecting = httpText('POST', '/v1/completions', '{"prompt":"a"}', { expect: 'a pony' });
    const refused = await exchange(server.url, expecting);
    expect(refused).toMatch(/^HTTP\/1\.1 417 /);
    expectRefusalText(refused);
  });

  test('what OpenAI has and this server has not is named', async () => {
    const response = await server.post('/v1/embeddings', { input: 'x' });
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({
      error: { message: expect.stringContaining('no embeddings'), code: 'not_found' },
    });
  });

  test('a byte order mark is no mistake; half a surrogate pair is echoed as it was read', async () => {
    const response = await server.post(
      '/v1/completions',
      '\ufeff{"prompt":"a\\ud800b","echo":true,"max_tokens":0}',
    );
    expect(await response.json()).toMatchObject({ choices: [{ text: 'a\ufffdb' }] });
  });

  test('a body over the limit is 413', async () => {
    await expectRefusal(await server.post('/v1/completions', { prompt: 'a'.repeat(2 ** 21) }));
    const chunked = await fetch(`${server.url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: new Blob([`{"prompt":"${'a'.repeat(2 ** 21)}"}`]).stream(),
      duplex: 'half',
    } as RequestInit);
    expect(chunked.status).toBe(413);
  });
});

describe('what is hardly HTTP', () => {
  const good = httpText('POST', '/v1/completions', '{"prompt":"a","max_tokens":2}').toString();
  const head = good.slice(0, good.indexOf('\r\n\r\n'));
  const bytes: [string, string][] = [
    ['nonsense', '\x00\x01\x02\x03\r\n\r\n'],
    ['a TLS greeting', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'.padEnd(300, '\x07')],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['a bad version', 'GET / HTTP/9.9\r\n\r\n'],
    ['a negative length', `${head.replace(/content-length: \d+/, 'content-length: -5')}\r\n\r\n{}`],
    ['two lengths', `${head}\r\ncontent-length: 3\r\n\r\n{}`],
    ['length and chunks', `${head}\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"a":\r\n0\r\n\r\n`],
    [
      'a bad chunk',
      `POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n`,
    ],
    ['long headers', `GET /v1/models HTTP/1.1\r\nx: ${'a'.repeat(100_000)}\r\n\r\n`],
    [
      'a header with a line break in it',
      `GET /v1/nothing HTTP/1.1\r\nhost: x\r\nx-request-id: a\nb: c\r\nconnection: close\r\n\r\n`,
    ],
    [
      'an upgrade',
      `GET /v1/nothing HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n`,
    ],
    ['a tunnel', 'CONNECT example:443 HTTP/1.1\r\nhost: example\r\n\r\n'],
    ['no host', 'GET /v1/models HTTP/1.1\r\n\r\n'],
  ];

  test.each(bytes)('%s', async (_name, text) => {
    expectRefusalText(await exchange(server.url, Buffer.from(text, 'latin1'), { halfClose: true }));
  });

  test('two hundred sockets that close half way', async () => {
    const cuts = Array.from({ length: 200 }, (_, i) => good.slice(0, 1 + ((i * 7) % (good.length - 1))));
    const replies = await Promise.all(cuts.map((cut) => exchange(server.url, cut, { halfClose: true })));
    for (const said of replies) expectRefusalText(said);
    await expectWell();
  });

  test('clients that send a byte at a time are timed out', async () => {
    const slow = Array.from({ length: 10 }, () =>
      exchange(server.url, good, { pieceLength: 1, pieceMs: 100 }),
    );
    for (const said of await Promise.all(slow)) {
      if (said !== '') expect(said).toMatch(/^HTTP\/1\.1 408 /);
      expectRefusalText(said);
    }
  });

  test('connections opened ahead of need are answered once they are used, and timed from there', async () => {
    const late = Array.from({ length: 5 }, () => exchange(server.url, good, { startMs: 3500 }));
    const unfinished = exchange(server.url, good.slice(0, -1), { startMs: 3500 });
    for (const said of await Promise.all(late)) expect(said).toMatch(/^HTTP\/1\.1 200 /);
    expect(await unfinished).toMatch(/^HTTP\/1\.1 408 /);
  });

  test('a request id that could forge log lines or headers is not echoed', async () => {
    const said = await exchange(server.url, httpText('GET', '/v1/nothing', '', { 'x-request-id': 'a "b"' }));
    expect(said).toMatch(/x-request-id: req_\w{24}/);
  });
});

test('the server is well after all of it', expectWell);
