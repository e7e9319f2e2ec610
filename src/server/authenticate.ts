// Puts the caller on every request, and refuses those without a key before their body is read.
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ApiKeys, Caller } from './auth.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whether the route answers without a key. */
    isPublic?: boolean;
  }
}

const callers = new WeakMap<FastifyRequest, Caller>();

/** Who sent the request. */
export function callerOf(request: FastifyRequest): Caller {
  return callers.get(request) ?? { id: 'anonymous' };
}

export function authenticate(app: FastifyInstance, keys: ApiKeys): void {
  app.addHook('onRequest', async (request) => {
    const { url, config } = request.routeOptions;
    // A path that is no route says so to everybody.
    if (url === undefined || config.isPublic === true) return;
    callers.set(request, keys.identify(request.headers.authorization));
  });
}
