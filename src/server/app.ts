// The HTTP application: limits of the connection, hooks in the order they run, and all routes. It listens to nothing yet.
import { resolve } from 'node:path';
import { type FastifyBaseLogger, type FastifyInstance, fastify, LogController } from 'fastify';
import { AtomError } from '../errors.ts';
import { authenticate } from './authenticate.ts';
import type { ServerContext } from './context.ts';
import { allowOrigins } from './cors.ts';
import { acceptJsonBodies } from './json-body.ts';
import { OpenApiDocument } from './openapi.ts';
import {
  handleClientError,
  handleError,
  handleExpectation,
  handleFrameworkError,
  handleNotFound,
} from './protocol-errors.ts';
import { requestId } from './request-ids.ts';
import { chatCompletionRoutes } from './routes/chat-completions.ts';
import { completionRoutes } from './routes/completions.ts';
import { healthRoutes } from './routes/health.ts';
import { metricsRoutes } from './routes/metrics.ts';
import { modelRoutes } from './routes/models.ts';
import { openapiRoutes } from './routes/openapi.ts';
import { tokenizeRoutes } from './routes/tokenize.ts';
import { cutStalledClients } from './stalled-clients.ts';
import { serveStaticFiles } from './static-files.ts';

/** Longer than proxies keep an idle connection (nginx: 60 s), so that it is they who close it. */
const KEEP_ALIVE_SECONDS = 75;
/** Longer than a stream waits for its client, which then says so in the log. */
const STALL_SECONDS = 75;

export function buildApp(context: ServerContext): FastifyInstance {
  const { options, lifecycle, logger } = context;
  const app = fastify({
    loggerInstance: logger as FastifyBaseLogger,
    // `observe` writes the one line per request.
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: options.maxBody,
    genReqId: requestId,
    requestIdHeader: false,
    requestTimeout: options.receiveTimeout * 1000,
    keepAliveTimeout: KEEP_ALIVE_SECONDS * 1000,
    http: {
      headersTimeout: options.receiveTimeout * 1000,
      connectionsCheckingInterval: 1000,
      // Node would answer a request without one in a shape of its own.
      requireHostHeader: false,
    },
    return503OnClosing: false,
    clientErrorHandler: handleClientError,
    frameworkErrors: handleFrameworkError,
  });
  const document = new OpenApiDocument(app, context.version);
  acceptJsonBodies(app);
  cutStalledClients(app, STALL_SECONDS);
  app.setErrorHandler(handleError);
  app.setNotFoundHandler(handleNotFound(app));
  app.server.on('checkExpectation', handleExpectation);

  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id);
    if (request.headers.host === undefined && request.raw.httpVersion === '1.1')
      throw new AtomError('bad-request', 'the request has no Host header');
    // A draining server wants its connections to go elsewhere.
    if (lifecycle.state === 'draining') reply.header('connection', 'close');
  });
  allowOrigins(app, options.corsOrigin);
  authenticate(app, context.keys);
  observe(app, context);

  completionRoutes(app, context);
  chatCompletionRoutes(app, context);
  modelRoutes(app, context);
  tokenizeRoutes(app, context);
  healthRoutes(app, context);
  metricsRoutes(app, context);
  openapiRoutes(app, document);
  // Beside src and dist alike.
  if (options.dashboard) serveStaticFiles(app, resolve(import.meta.dirname, '../../web/dist'));
  return app;
}

/** One line in the log and one observation per response. */
function observe(app: FastifyInstance, { metrics }: ServerContext): void {
  app.addHook('onResponse', async (request, reply) => {
    const handler = request.routeOptions.url ?? 'none';
    const { method, url } = request;
    const [path] = url.split('?');
    const { statusCode: status, elapsedTime } = reply;
    metrics.http({ handler, method, status, seconds: elapsedTime / 1000 });
    // Probes and scrapes come every few seconds.
    const isQuiet = request.routeOptions.config.isPublic === true || handler.startsWith('/v1/atom');
    request.log[isQuiet ? 'debug' : 'info']({ method, path, status, ms: Math.round(elapsedTime) }, 'request');
  });
}
