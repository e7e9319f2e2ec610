// GET /metrics for Prometheus, and GET /v1/atom/stats for the dashboard: the last minutes as JSON.
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { ServerContext } from '../context.ts';
import { parseBody } from '../schemas/parse.ts';
import type { StatsReply } from '../stats-reply.ts';

const statsQuery = z.looseObject({ since: z.coerce.number().min(0).default(0) });

export function metricsRoutes(app: FastifyInstance, context: ServerContext): void {
  app.get(
    '/metrics',
    {
      config: {
        isPublic: true,
        doc: { summary: 'Metrics for Prometheus', tag: 'Operation', answers: ['text/plain'] },
      },
    },
    async (_request, reply) => reply.type(context.metrics.contentType).send(await context.metrics.text()),
  );

  app.get(
    '/v1/atom/stats',
    {
      config: {
        doc: { summary: 'Samples of the last five minutes, after Unix time `since`', tag: 'Operation' },
      },
    },
    async (request): Promise<StatsReply> => {
      const { since } = parseBody(statsQuery, request.query);
      const { liveStats, lifecycle, service, modelNames, version } = context;
      return {
        state: lifecycle.state,
        model: modelNames[0],
        version,
        uptime: process.uptime(),
        max_model_len: service?.maxModelLen ?? null,
        engine: service?.engine.stats() ?? null,
        latencies: liveStats.latencies,
        samples: liveStats.samples(since),
      };
    },
  );
}
