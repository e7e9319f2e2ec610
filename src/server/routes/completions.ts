// POST /v1/completions
import type { FastifyInstance } from 'fastify';
import { checkModelName, type ServerContext, serviceOf } from '../context.ts';
import { planCompletion } from '../generation/plan-completion.ts';
import { respond } from '../respond.ts';
import { completionBody } from '../schemas/completion.ts';
import { parseBody } from '../schemas/parse.ts';

export function completionRoutes(app: FastifyInstance, context: ServerContext): void {
  const doc = {
    summary: 'Continue a prompt',
    tag: 'OpenAI',
    body: completionBody,
    answers: ['application/json', 'text/event-stream'],
  } as const;
  app.post('/v1/completions', { config: { doc } }, async (request, reply) => {
    const service = serviceOf(context);
    const body = parseBody(completionBody, request.body);
    checkModelName(context, body.model);
    if (context.options.logPrompts) request.log.info({ prompt: body.prompt }, 'prompt');
    await respond({ context, service, request, reply }, await planCompletion(context, service, body));
    return reply;
  });
}
