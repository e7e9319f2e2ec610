// POST /v1/chat/completions
import type { FastifyInstance } from 'fastify';
import { checkModelName, type ServerContext, serviceOf } from '../context.ts';
import { planChat } from '../generation/plan-chat.ts';
import { respond } from '../respond.ts';
import { chatBody } from '../schemas/chat.ts';
import { parseBody } from '../schemas/parse.ts';

export function chatCompletionRoutes(app: FastifyInstance, context: ServerContext): void {
  const doc = {
    summary: 'Answer a conversation',
    tag: 'OpenAI',
    body: chatBody,
    answers: ['application/json', 'text/event-stream'],
  } as const;
  app.post('/v1/chat/completions', { config: { doc } }, async (request, reply) => {
    const service = serviceOf(context);
    const body = parseBody(chatBody, request.body);
    checkModelName(context, body.model);
    if (context.options.logPrompts) request.log.info({ messages: body.messages }, 'prompt');
    await respond({ context, service, request, reply }, planChat(context, service, body));
    return reply;
  });
}
