// One request to this page's own server, with the reader's API key; failures as sentences that say what to do.

export class ApiError extends Error {
  /** 0 where no answer came. */
  readonly status: number;
  /** OpenAI's code string, as `queue_full`. */
  readonly code: string | undefined;

  constructor(message: string, { status, code, cause }: { status: number; code?: string; cause?: unknown }) {
    super(message, { cause });
    this.name = 'ApiError';
    this.status = status;
    this.code = code;
  }
}

export interface Call {
  readonly apiKey: string;
  readonly signal?: AbortSignal;
  /** Sent as JSON by POST; without it the request is a GET. */
  readonly body?: object;
}

/** Resolves to an answer of status 2xx. Throws ApiError otherwise, and the signal's reason where it was aborted. */
export async function call(path: string, { apiKey, signal, body }: Call): Promise<Response> {
  const response = await send(path, {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      ...(apiKey !== '' && { authorization: `Bearer ${apiKey}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    ...(signal && { signal }),
  });
  if (response.ok) return response;
  throw await failureOf(response);
}

export async function getJson<T>(path: string, options: Call): Promise<T> {
  return (await (await call(path, options)).json()) as T;
}

async function send(path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(path, init);
  } catch (cause) {
    if (init.signal?.aborted) throw cause;
    throw new ApiError('The server does not answer.', { status: 0, cause });
  }
}

async function failureOf(response: Response): Promise<ApiError> {
  const { status } = response;
  const error = errorIn(await response.json().catch(() => undefined));
  const wait = response.headers.get('retry-after');
  const hint = wait === null ? '' : ` Try again in ${wait} s.`;
  const message = sentence(error?.message ?? `The server answered with status ${status}.`) + hint;
  return new ApiError(message, { status, ...(error?.code && { code: error.code }) });
}

/** The error in a body or a stream's frame; undefined where it holds none. */
export function errorIn(body: unknown): { message: string; code?: string } | undefined {
  if (typeof body !== 'object' || body === null || !('error' in body)) return undefined;
  const { message, code } = (body.error ?? {}) as { message?: unknown; code?: unknown };
  return {
    message: typeof message === 'string' ? message : 'The server reports a failure.',
    ...(typeof code === 'string' && { code }),
  };
}

/** With a capital and a full stop. */
export function sentence(text: string): string {
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}
