// Any thrown value as OpenAI's clients expect an error: one body shape, one status, and the headers that tell a client
// whether to try again. The only place that knows OpenAI's error types and codes; it sends nothing.
// Shape: OpenAI's OpenAPI document, schema `Error`; retry headers: what openai-node reads.
import { AtomError, type ErrorCode } from '../errors.ts';

export interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string | null;
  };
}

export interface ErrorReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: ErrorBody;
}

export interface RequestErrorOptions {
  /** The field that is wrong, as `messages[0].content`. */
  readonly param?: string;
  /** OpenAI's code string, where it differs from the table's. */
  readonly openaiCode?: string;
  /** Seconds after which trying again makes sense. */
  readonly retryAfter?: number;
  readonly cause?: unknown;
}

/** An AtomError with what only HTTP clients are told. */
export class RequestError extends AtomError {
  readonly param: string | undefined;
  readonly openaiCode: string | undefined;
  readonly retryAfter: number | undefined;

  constructor(code: ErrorCode, message: string, options: RequestErrorOptions = {}) {
    super(code, message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'RequestError';
    this.param = options.param;
    this.openaiCode = options.openaiCode;
    this.retryAfter = options.retryAfter;
  }
}

const invalid = 'invalid_request_error';
const failed = 'server_error';

/** Type and code by error; errors that are not here are the server's own and say so. */
const openai: Partial<Record<ErrorCode, { type: string; code: string | null; param?: string }>> = {
  'bad-request': { type: invalid, code: null },
  'bad-option': { type: invalid, code: 'invalid_value' },
  'context-length-exceeded': { type: invalid, code: 'context_length_exceeded' },
  unauthorized: { type: invalid, code: 'invalid_api_key' },
  'model-not-found': { type: invalid, code: 'model_not_found', param: 'model' },
  'route-not-found': { type: invalid, code: 'not_found' },
  'method-not-allowed': { type: invalid, code: 'method_not_allowed' },
  'body-timeout': { type: invalid, code: 'request_timeout' },
  'body-too-large': { type: invalid, code: 'request_too_large' },
  'unsupported-media-type': { type: invalid, code: 'unsupported_media_type' },
  'not-supported': { type: invalid, code: 'unsupported_parameter' },
  'rate-limited': { type: 'rate_limit_error', code: 'rate_limit_exceeded' },
  'queue-full': { type: 'rate_limit_error', code: 'queue_full' },
  'not-ready': { type: failed, code: 'model_not_ready' },
  closed: { type: failed, code: 'server_shutting_down' },
  'out-of-memory': { type: failed, code: 'out_of_memory' },
  timeout: { type: failed, code: 'timeout' },
  cancelled: { type: invalid, code: 'request_cancelled' },
  numeric: { type: failed, code: 'numeric_error' },
};

/** Statuses that pass by themselves, so that a client should come back. */
const temporary: ReadonlySet<number> = new Set([408, 429, 503]);

/** The reply for any thrown value. What is not an AtomError or Fastify's own shows no detail but `requestId`. */
export function toErrorReply(thrown: unknown, { requestId }: { requestId?: string } = {}): ErrorReply {
  const error = fromFastify(thrown);
  if (!(error instanceof AtomError)) {
    const hint = requestId === undefined ? '' : `; the server's log has it under request ${requestId}`;
    return {
      status: 500,
      headers: { 'x-should-retry': 'false' },
      body: {
        error: { message: `internal error${hint}`, type: failed, param: null, code: 'internal_error' },
      },
    };
  }
  const row = openai[error.code] ?? { type: failed, code: 'internal_error' };
  const own = error instanceof RequestError ? error : undefined;
  const headers: Record<string, string> = {};
  if (temporary.has(error.status)) headers['retry-after'] = String(own?.retryAfter ?? 1);
  else if (error.status >= 500) headers['x-should-retry'] = 'false';
  if (error.status === 401) headers['www-authenticate'] = 'Bearer';
  return {
    status: error.status,
    headers,
    body: {
      error: {
        message: error.message,
        type: row.type,
        param: own?.param ?? row.param ?? null,
        code: own?.openaiCode ?? row.code,
      },
    },
  };
}

const fastifyCodes: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'body-too-large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported-media-type',
  FST_ERR_CTP_EMPTY_TYPE: 'unsupported-media-type',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'bad-request',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'bad-request',
  FST_ERR_CTP_INVALID_JSON_BODY: 'bad-request',
};

/** Fastify's refusals of a body as ours; the rest as it is. */
function fromFastify(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof AtomError || !('code' in error)) return error;
  const code = fastifyCodes[String(error.code)];
  if (code === undefined)
    return 'statusCode' in error && error.statusCode === 400 ? badRequest(error) : error;
  if (code === 'unsupported-media-type')
    return new AtomError(code, 'the body must be JSON, with "Content-Type: application/json"', {
      cause: error,
    });
  return new AtomError(code, error.message, { cause: error });
}

const badRequest = (error: Error) => new AtomError('bad-request', error.message, { cause: error });
