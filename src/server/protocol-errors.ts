// What goes wrong below the routes: requests that are no HTTP, paths and methods that do not exist, clients that send too
// slowly. Each is answered in OpenAI's shape where there is still somebody to answer.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AtomError } from '../errors.ts';
import { type ErrorReply, toErrorReply } from './openai-errors.ts';

/** Any error of a route or hook. */
export function handleError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { status, headers, body } = toErrorReply(error, { requestId: request.id });
  if (status >= 500 && !(error instanceof AtomError && status === 503))
    request.log.error({ err: error }, 'request failed');
  // What is left of a body that was refused is not worth reading.
  if (status === 413 || status === 408) reply.header('connection', 'close');
  return reply.code(status).headers(headers).send(body);
}

/** Paths that are no route: 405 where another method is, else 404. */
export function handleNotFound(
  app: FastifyInstance,
): (request: FastifyRequest, reply: FastifyReply) => FastifyReply {
  return (request, reply) => {
    const [path = '/'] = request.url.split('?');
    const methods = ['GET', 'POST'].filter((method) => app.findRoute({ method, url: path }) !== null);
    if (methods.length === 0)
      return handleError(
        new AtomError('route-not-found', `there is no ${request.method} ${path.slice(0, 200)}`),
        request,
        reply,
      );
    reply.header('allow', methods.join(', '));
    const message = `${path} takes ${methods.join(' and ')}, not ${request.method}`;
    return handleError(new AtomError('method-not-allowed', message), request, reply);
  };
}

/** Before there is a request: bytes that are no HTTP, headers that are too long, a request that never ends. */
export function handleClientError(error: Error & { code?: string }, socket: Socket): void {
  if (!socket.writable || socket.bytesWritten > 0) {
    socket.destroy();
    return;
  }
  const { status, reply } = protocolReply(error.code);
  const body = JSON.stringify(reply.body);
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/json; charset=utf-8\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}

function protocolReply(code: string | undefined): { status: string; reply: ErrorReply } {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    const error = new AtomError('body-timeout', 'the request was not sent in time');
    return { status: '408 Request Timeout', reply: toErrorReply(error) };
  }
  if (code === 'HPE_HEADER_OVERFLOW') {
    const error = new AtomError('bad-request', 'the headers are too long');
    return { status: '431 Request Header Fields Too Large', reply: toErrorReply(error) };
  }
  return { status: '400 Bad Request', reply: toErrorReply(new AtomError('bad-request', 'this is not HTTP')) };
}

/** Paths that cannot be decoded. */
export function handleFrameworkError(
  error: Error,
  _request: unknown,
  reply: { raw: ServerResponse<IncomingMessage> },
): void {
  const { status, body } = toErrorReply(new AtomError('bad-request', error.message, { cause: error }));
  const text = JSON.stringify(body);
  reply.raw.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(text),
  });
  reply.raw.end(text);
}
