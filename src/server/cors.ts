// Lets pages of other origins call the API, where the operator allows it (Fetch standard, section 3.2).
// Without a configured origin it does nothing: browsers then refuse by themselves.
import type { FastifyInstance } from 'fastify';

/** `origins`: exact origins such as `https://app.example`, or `*` for all. */
export function allowOrigins(app: FastifyInstance, origins: readonly string[]): void {
  if (origins.length === 0) return;
  const all = origins.includes('*');
  const allowed = new Set(origins);

  app.addHook('onRequest', async (request, reply) => {
    const { origin } = request.headers;
    if (origin === undefined) return;
    if (!all) reply.header('vary', 'Origin');
    if (!all && !allowed.has(origin)) return;
    reply.header('access-control-allow-origin', all ? '*' : origin);
    reply.header('access-control-expose-headers', 'x-request-id, retry-after, x-should-retry');
    const isPreflight =
      request.method === 'OPTIONS' && request.headers['access-control-request-method'] !== undefined;
    if (!isPreflight) return;
    const wanted = request.headers['access-control-request-headers'];
    reply.header('access-control-allow-methods', 'GET, POST, OPTIONS');
    if (wanted !== undefined) reply.header('access-control-allow-headers', wanted);
    return reply.header('access-control-max-age', '86400').code(204).send();
  });
}
