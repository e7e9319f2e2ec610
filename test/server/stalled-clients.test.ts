// Who waits, who reads slowly and who does not read at all, on connections of their own.
import { once } from 'node:events';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type FastifyInstance, fastify } from 'fastify';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cutStalledClients } from '../../src/server/stalled-clients.ts';

/** More than the system's buffers take for a client that does not read. */
const large = Buffer.alloc(24 * 2 ** 20, 'x');
let app: FastifyInstance;
beforeAll(async () => {
  app = fastify();
  cutStalledClients(app, 1);
  app.get('/large', async () => large);
  app.get('/late', async () => {
    await sleep(3500);
    return large;
  });
  await app.listen({ port: 0, host: '127.0.0.1' });
});
afterAll(() => app.close());

async function ask(path: string): Promise<Socket> {
  const { port } = app.server.address() as AddressInfo;
  const socket = connect({ port, host: '127.0.0.1' });
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`);
  return socket;
}

const openConnections = () =>
  new Promise<number>((resolve) => app.server.getConnections((_error, count) => resolve(count)));

test('a client that reads nothing of its answer is cut off', async () => {
  const socket = await ask('/large');
  socket.pause();
  await expect.poll(openConnections).toBe(1);
  await expect.poll(openConnections, { timeout: 15_000 }).toBe(0);
  socket.destroy();
});

test('one whose answer takes long gets it, and one that reads slowly all of it', async () => {
  const socket = await ask('/late');
  let bytes = 0;
  let paused = 0;
  socket.on('data', (chunk) => {
    bytes += chunk.length;
    if (bytes < 2 ** 22 * (paused + 1) || paused >= 5) return;
    paused++;
    socket.pause();
    setTimeout(() => socket.resume(), 300);
  });
  await expect.poll(() => bytes, { timeout: 30_000 }).toBeGreaterThan(large.length);
  expect(paused).toBe(5);
  socket.destroy();
});
