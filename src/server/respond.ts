// Sends a planned answer: as one JSON object, or as a stream of frames. A stream's headers wait for the engine's first
// event, so that what is refused gets its status; a failure after that becomes the stream's last frame.
import type { FastifyReply, FastifyRequest } from 'fastify';
import { callerOf } from './authenticate.ts';
import type { ServerContext, Service } from './context.ts';
import { type AnswerWriter, checkLength, type Job } from './generation/answer.ts';
import { toErrorReply } from './openai-errors.ts';
import { RunningRequest } from './running-request.ts';
import { SseStream } from './sse.ts';

export interface AnswerPlan<Delta> {
  readonly jobs: readonly Job[];
  readonly writer: AnswerWriter<Delta>;
  readonly stream: boolean;
  /** A last frame with the usage; and the usage so far in every frame. */
  readonly includeUsage: boolean;
  readonly continuousUsage: boolean;
}

export interface Exchange {
  readonly context: ServerContext;
  readonly service: Service;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

/** Headers go out after this long even if nothing has happened, so that proxies do not give up on a queued request. */
const PATIENCE_SECONDS = 15;

/** Throws what should be answered as an error; resolves when the answer is sent. */
export async function respond<Delta>(exchange: Exchange, plan: AnswerPlan<Delta>): Promise<void> {
  const { context, service, request, reply } = exchange;
  const sequences = plan.jobs.reduce((sum, { request: { n = 1 } }) => sum + n, 0);
  const promptTokens = plan.jobs.reduce((sum, { request: { prompt } }) => sum + prompt.length, 0);
  using _ticket = service.admission.admit({ sequences, promptTokens, callerId: callerOf(request).id });
  for (const {
    request: { n = 1, maxTokens = service.maxModelLen },
  } of plan.jobs)
    context.metrics.requested({ n, maxTokens });
  using running = new RunningRequest(context, request, reply);
  try {
    await (plan.stream ? sendStream : sendWhole)(exchange, plan, running);
  } catch (error) {
    if (!running.clientLeft) throw error;
    // Nobody is there to be told.
    reply.hijack();
  }
}

async function sendWhole<Delta>(
  { service, reply }: Exchange,
  { jobs, writer }: AnswerPlan<Delta>,
  running: RunningRequest,
): Promise<void> {
  let length = 0;
  await running.run(service.engine, jobs, (job, event) => {
    for (const delta of writer.deltas(job, event)) length += writer.add(delta);
    checkLength(length);
    return undefined;
  });
  reply.type('application/json; charset=utf-8').send(writer.body(running.usage.value));
}

async function sendStream<Delta>(
  { service, reply }: Exchange,
  { jobs, writer, includeUsage, continuousUsage }: AnswerPlan<Delta>,
  running: RunningRequest,
): Promise<void> {
  let sse: SseStream | undefined;
  const open = () => {
    if (sse !== undefined) return sse;
    reply.hijack();
    sse = new SseStream(reply.raw, { headers: reply.getHeaders() as Record<string, string> });
    return sse;
  };
  const patience = setTimeout(open, PATIENCE_SECONDS * 1000);
  try {
    await running.run(service.engine, jobs, (job, event) => {
      const stream = open();
      for (const delta of writer.deltas(job, event)) {
        const usage = continuousUsage ? running.usage.value : includeUsage ? null : undefined;
        stream.send(writer.frame(delta, usage));
      }
      return stream.congested ? stream.drained() : undefined;
    });
    if (includeUsage) open().send(writer.usageFrame(running.usage.value));
    open().end();
  } catch (error) {
    if (sse === undefined) throw error;
    sse.send(JSON.stringify(toErrorReply(error, { requestId: reply.request.id }).body));
    sse.end();
  } finally {
    clearTimeout(patience);
  }
}
