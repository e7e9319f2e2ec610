// Where a server listens: an address and a port, or a Unix socket, with an error that says what to do where it cannot.
import { once } from 'node:events';
import { rmSync, statSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { resolve } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { AtomError, reasonOf } from '../errors.ts';
import type { ServerOptions } from './options.ts';

type Address = Pick<ServerOptions, 'host' | 'port'>;

/** Listens and returns where. Throws `io` where that cannot be. */
export async function listen(app: FastifyInstance, { host, port }: Address): Promise<string> {
  const path = socketPath(host);
  try {
    if (path !== undefined) await removeStaleSocket(path);
    await app.listen(path === undefined ? { host, port } : { path });
  } catch (cause) {
    throw cannotListen({ host, port }, cause);
  }
  if (path !== undefined) return `unix:${path}`;
  const address = app.server.address();
  const actual = typeof address === 'object' && address !== null ? address.port : port;
  return `http://${host.includes(':') ? `[${host}]` : host}:${actual}`;
}

/** Throws what `listen` would throw now, for who has long work to do before it listens. */
export async function checkAddress({ host, port }: Address): Promise<void> {
  // A socket's file is there while it listens; `listen` looks at it itself.
  if (socketPath(host) !== undefined || port === 0) return;
  const probe = createServer();
  try {
    probe.listen({ host, port });
    await once(probe, 'listening');
  } catch (cause) {
    throw cannotListen({ host, port }, cause);
  } finally {
    probe.close();
  }
}

function cannotListen({ host, port }: Address, cause: unknown): AtomError {
  const path = socketPath(host);
  const busy = cause instanceof Error && 'code' in cause && cause.code === 'EADDRINUSE';
  const other = path === undefined ? 'another --port' : 'another --host';
  const reason = busy ? `another program listens there; choose ${other}` : reasonOf(cause);
  return new AtomError('io', `cannot listen on ${path ?? `${host}:${port}`}: ${reason}`, { cause });
}

/** A path as the host is a Unix socket: `/run/atom/socket` or `unix:atom.sock`. */
function socketPath(host: string): string | undefined {
  if (host.startsWith('unix:')) return resolve(host.slice('unix:'.length));
  return host.startsWith('/') ? host : undefined;
}

/** A server that was killed leaves its socket behind; nobody answers on it. */
async function removeStaleSocket(path: string): Promise<void> {
  if (!statSync(path, { throwIfNoEntry: false })?.isSocket()) return;
  const socket = connect(path);
  try {
    await once(socket, 'connect');
  } catch {
    rmSync(path, { force: true });
  } finally {
    socket.destroy();
  }
}

/** Whether only this machine reaches it. */
export const isLoopback = (host: string) =>
  host === 'localhost' || host === '::1' || host.startsWith('127.') || socketPath(host) !== undefined;
