// Is it alive, can it generate, should it get traffic: three questions with three answers, and small facts beside.
import type { FastifyInstance } from 'fastify';
import { AtomError } from '../../errors.ts';
import type { ServerContext } from '../context.ts';
import { RequestError } from '../openai-errors.ts';
import type { RouteDoc } from '../openapi.ts';

const doc = (summary: string) => ({ isPublic: true, doc: { summary, tag: 'Operation' } satisfies RouteDoc });

export function healthRoutes(app: FastifyInstance, context: ServerContext): void {
  const { lifecycle } = context;

  const canGenerate = () => {
    const { service } = context;
    if (service === undefined)
      throw new RequestError('not-ready', 'the model is loading; try again in a few seconds', {
        retryAfter: 2,
      });
    if (service.engine.failed) throw new AtomError('closed', 'the engine has failed; restart the server');
  };

  app.get('/live', { config: doc('200 while the process answers') }, async () => ({ status: 'live' }));

  app.get('/health', { config: doc('200 while the engine can generate, also while draining') }, async () => {
    canGenerate();
    return { status: 'ok' };
  });

  app.get(
    '/ready',
    { config: doc('200 while new requests are taken: not while loading or draining') },
    async () => {
      canGenerate();
      lifecycle.assertReady();
      return { status: 'ready' };
    },
  );

  app.route({
    method: ['GET', 'POST'],
    url: '/ping',
    config: doc('the same as /health, for SageMaker'),
    handler: async () => {
      canGenerate();
      return { status: 'ok' };
    },
  });

  app.get('/version', { config: doc("this package's version") }, async () => ({ version: context.version }));

  app.get('/load', { config: doc('requests in flight, for load balancers') }, async () => ({
    server_load: context.service?.admission.requests ?? 0,
  }));
}
