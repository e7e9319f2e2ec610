// What goes wrong below the routes: requests that are no HTTP, paths and methods that do not exist, clients that send too
// slowly. Each is answered in OpenAI's shape where there is still somebody to answer.
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AtomError } from '../errors.ts';
import { type ErrorReply, toErrorReply } from './openai-errors.ts';

/** A client that sends too much reads no answer before it has sent all: it gets this long. */
const PATIENCE_MS = 2000;

/** Any error of a route or hook. */
export async function handleError(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { status, headers, body } = toErrorReply(error, { requestId: request.id });
  if (status >= 500 && !(error instanceof AtomError && status === 503))
    request.log.error({ err: error }, 'request failed');
  if (status === 413) await discardBody(request.raw);
  // What is left of a body that was refused is not worth reading.
  if (status === 413 || status === 408) reply.header('connection', 'close');
  return reply.code(status).headers(headers).send(body);
}

/** Closing on bytes not yet read resets the connection, and the answer is lost (RFC 9112, section 9.6). */
async function discardBody(request: IncomingMessage): Promise<void> {
  request.resume();
  try {
    await once(request, 'end', { signal: AbortSignal.timeout(PATIENCE_MS) });
  } catch {
    // It goes on for too long, or the client has left: closing is all that remains.
  }
}

/** What clients of OpenAI's whole API look for and this server does not do, by the path's second part. */
const elsewhere: Readonly<Record<string, string>> = {
  embeddings: 'this server generates text and makes no embeddings',
  responses: 'use /v1/chat/completions',
  messages: "this server speaks OpenAI's API; use /v1/chat/completions",
  engines: 'the model is a field of the body; use /v1/completions',
  audio: 'this server reads and writes text only',
  images: 'this server reads and writes text only',
  moderations: 'this server only generates text',
  files: 'this server keeps nothing',
  batches: 'this server keeps nothing; send the requests side by side',
  fine_tuning: 'this server only generates text',
};

function noSuchRoute(method: string, path: string): AtomError {
  const hint = /^\/v1\/(\w+)/.exec(path)?.[1] ?? '';
  const what = Object.hasOwn(elsewhere, hint) ? `: ${elsewhere[hint]}` : '; GET /openapi.json lists what is';
  return new AtomError('route-not-found', `there is no ${method} ${path.slice(0, 200)}${what}`);
}

/** Paths that are no route: 405 where another method is, else 404. */
export function handleNotFound(
  app: FastifyInstance,
): (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply> {
  return (request, reply) => {
    const [path = '/'] = request.url.split('?');
    const methods = ['GET', 'POST'].filter((method) => app.findRoute({ method, url: path }) !== null);
    if (methods.length === 0) return handleError(noSuchRoute(request.method, path), request, reply);
    reply.header('allow', methods.join(', ').replace('GET', 'GET, HEAD'));
    const message = `${path} takes ${methods.join(' and ')}, not ${request.method}`;
    return handleError(new AtomError('method-not-allowed', message), request, reply);
  };
}

/** Before there is a request: bytes that are no HTTP, headers that are too long, a request that never ends. */
export function handleClientError(error: Error & { code?: string }, socket: Socket): void {
  // Opened ahead of need, as pools do, and late with nothing: it may be used this moment. Idle connections end elsewhere.
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && socket.bytesRead === 0) return;
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

/** An `Expect` other than `100-continue` (RFC 9110, section 10.1.1). */
export function handleExpectation(request: IncomingMessage, response: ServerResponse): void {
  const message = `this server cannot meet "Expect: ${request.headers.expect?.slice(0, 200)}"`;
  sendRaw(response, 417, toErrorReply(new AtomError('bad-request', message)));
}

function sendRaw(response: ServerResponse, status: number, { body }: ErrorReply): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(text),
  });
  response.end(text);
}

/** Paths that cannot be decoded. */
export function handleFrameworkError(
  error: Error,
  _request: unknown,
  reply: { raw: ServerResponse<IncomingMessage> },
): void {
  const answer = toErrorReply(new AtomError('bad-request', error.message, { cause: error }));
  sendRaw(reply.raw, answer.status, answer);
}
