// Every error this package throws on purpose, in one table: code, HTTP status, exit code.
// A message says what was wrong, where, and what to do; the cause is never lost.
// This file must not import anything.

/** What a caller can do about an error decides its row: exit code for the command line, status for HTTP. */
const table = {
  // Checkpoints and configuration
  'not-a-model': { status: 400, exit: 1 },
  'bad-safetensors': { status: 500, exit: 1 },
  'missing-tensor': { status: 500, exit: 1 },
  'bad-shape': { status: 500, exit: 1 },
  'bad-config': { status: 400, exit: 1 },
  'unsupported-model': { status: 400, exit: 1 },
  'bad-tokenizer': { status: 500, exit: 1 },
  'bad-quantization-config': { status: 400, exit: 1 },
  'bad-dataset': { status: 400, exit: 1 },
  /** A file of results/. */
  'bad-result': { status: 500, exit: 1 },
  // Options and requests
  'bad-option': { status: 400, exit: 2 },
  'bad-request': { status: 400, exit: 1 },
  'context-length-exceeded': { status: 400, exit: 1 },
  'queue-full': { status: 429, exit: 1 },
  cancelled: { status: 499, exit: 130 },
  closed: { status: 503, exit: 1 },
  timeout: { status: 504, exit: 1 },
  // HTTP alone
  unauthorized: { status: 401, exit: 1 },
  'model-not-found': { status: 404, exit: 1 },
  'route-not-found': { status: 404, exit: 1 },
  'method-not-allowed': { status: 405, exit: 1 },
  'body-timeout': { status: 408, exit: 1 },
  'body-too-large': { status: 413, exit: 1 },
  'unsupported-media-type': { status: 415, exit: 1 },
  'rate-limited': { status: 429, exit: 1 },
  'not-supported': { status: 400, exit: 1 },
  'not-ready': { status: 503, exit: 1 },
  // Machine and files
  'out-of-memory': { status: 503, exit: 1 },
  'native-missing': { status: 500, exit: 1 },
  'unsupported-isa': { status: 500, exit: 2 },
  /** The machine could run the instruction set, but its kernels were not compiled. */
  'isa-not-built': { status: 500, exit: 2 },
  'use-after-free': { status: 500, exit: 1 },
  io: { status: 500, exit: 1 },
  'download-failed': { status: 502, exit: 1 },
  numeric: { status: 500, exit: 1 },
  /** The engine's thread has died; only a new engine helps. */
  'engine-failed': { status: 503, exit: 70 },
  internal: { status: 500, exit: 70 },
} as const satisfies Record<string, { status: number; exit: number }>;

export type ErrorCode = keyof typeof table;

export const errorCodes = Object.keys(table) as ErrorCode[];

export class AtomError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'AtomError';
    this.code = code;
  }

  /** HTTP status a server answers with. */
  get status(): number {
    return table[this.code].status;
  }

  /** Exit code of the `atom` command. */
  get exitCode(): number {
    return table[this.code].exit;
  }
}

/** The sentence of any thrown value, for messages that wrap a cause. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
