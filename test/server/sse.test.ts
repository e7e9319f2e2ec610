// One stream of events over a real connection: clients that are slow, that catch up, that stop reading, that leave.
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { type SseOptions, SseStream } from '../../src/server/sse.ts';

/** More than the system's buffers take for a client that does not read. */
const large = JSON.stringify('x'.repeat(24 * 2 ** 20));

interface Opened extends AsyncDisposable {
  readonly sse: SseStream;
  readonly client: Response;
}

async function open(options: SseOptions = {}): Promise<Opened> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const asked = once(server, 'request') as Promise<[unknown, ServerResponse]>;
  const fetched = fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const [, response] = await asked;
  const sse = new SseStream(response, options);
  return {
    sse,
    client: await fetched,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Sends more than the client takes before it reads. */
async function overfill(sse: SseStream): Promise<void> {
  sse.send(large);
  await expect.poll(() => sse.congested).toBe(true);
}

test('a client that has caught up before anybody waits for it keeps its stream', async () => {
  await using opened = await open({ stallSeconds: 5 });
  const { sse, client } = opened;
  await overfill(sse);
  const text = client.text();
  await expect.poll(() => sse.congested, { timeout: 10_000 }).toBe(false);
  await sse.drained();
  sse.send('{}');
  sse.end();
  expect((await text).length).toBe(large.length + 'data: \n\ndata: {}\n\ndata: [DONE]\n\n'.length);
});

test('one that reads while it is waited for goes on, one that does not is cut off', async () => {
  await using opened = await open({ stallSeconds: 1 });
  const { sse, client } = opened;
  await overfill(sse);
  const waiting = sse.drained();
  const reader = client.body!.getReader();
  let bytes = 0;
  while (bytes < large.length) bytes += (await reader.read()).value!.length;
  await waiting;
  await overfill(sse);
  await expect(sse.drained()).rejects.toMatchObject({ code: 'timeout' });
});

test('a hundred prompts of one request wait together', async () => {
  await using opened = await open();
  const { sse, client } = opened;
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => warnings.push(warning);
  process.on('warning', onWarning);
  await overfill(sse);
  const waiting = Promise.all(Array.from({ length: 100 }, () => sse.drained()));
  const text = client.text();
  await waiting;
  sse.end();
  await text;
  process.off('warning', onWarning);
  expect(warnings).toEqual([]);
});

test('one that leaves is found out at once', async () => {
  await using opened = await open();
  const { sse, client } = opened;
  await overfill(sse);
  const waiting = sse.drained();
  await client.body!.cancel();
  await expect(waiting).rejects.toMatchObject({ code: 'cancelled' });
});
