// Clients that ask and do not read: their answers would be kept for as long as they like. A stream finds out by itself while
// it runs (sse.ts); this is for whole answers and for the last bytes of a stream.
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';

/** Cuts off a client that has taken nothing of its answer for so long. */
export function cutStalledClients(app: FastifyInstance, seconds: number): void {
  // Of sockets on which nothing moves, Node destroys those whose response does not listen.
  app.server.setTimeout(seconds * 1000);
  app.addHook('onRequest', async (_request, reply) => {
    reply.raw.on('timeout', cutUnread);
  });
}

/** A client may wait for its answer without a sound; only what it was sent and does not take is a reason. */
function cutUnread(socket: Socket): void {
  if (socket.writableLength > 0) socket.destroy();
}
