// The Hugging Face Hub, or a server that speaks its API: where it is, who asks, where files are kept.
// Requests go through `request`, which alone knows the token; what fails in passing is tried again by `persistently`.
import { setTimeout as sleep } from 'node:timers/promises';
import { getHFHubCachePath, HUB_URL } from '@huggingface/hub';
import { AtomError, reasonOf } from '../errors.ts';

export interface HubOptions {
  /** Address without a path; by default HF_ENDPOINT, or the public Hub. */
  readonly endpoint?: string;
  /** Access token; by default HF_TOKEN, or none. */
  readonly token?: string;
  /** Folder of downloads in the layout that Python's huggingface_hub shares; by default HF_HUB_CACHE or HF_HOME/hub. */
  readonly cache?: string;
  /** Use only what is there already; by default as HF_HUB_OFFLINE says. */
  readonly offline?: boolean;
  readonly signal?: AbortSignal;
  /** Milliseconds before a failed request is made again; doubled each time. */
  readonly retryDelay?: number;
}

export interface Hub {
  readonly endpoint: string;
  readonly cache: string;
  readonly offline: boolean;
  readonly retryDelay: number;
  readonly signal: AbortSignal | undefined;
  /** `fetch` with the token. Throws `PassingFailure` and `cancelled`; other statuses are the caller's to judge. */
  readonly request: typeof fetch;
}

/** A failure that another attempt may not meet: no connection, a server that is busy or broken. */
export class PassingFailure extends Error {}

const passingStatuses: readonly number[] = [408, 425, 429, 500, 502, 503, 504];

/** Throws `bad-option` for an endpoint that is no HTTP address. */
export function openHub(options: HubOptions = {}): Hub {
  const { env } = process;
  const endpoint = (options.endpoint ?? (env.HF_ENDPOINT || HUB_URL)).replace(/\/+$/, '');
  const token = options.token ?? (env.HF_TOKEN || undefined);
  const { signal } = options;
  if (!URL.canParse(endpoint) || !/^https?:/.test(endpoint)) {
    throw new AtomError(
      'bad-option',
      `the Hub's address ${endpoint} (HF_ENDPOINT) is not an http or https address`,
    );
  }
  const { origin } = new URL(endpoint);

  async function request(input: string | URL | Request, init: RequestInit = {}): Promise<Response> {
    const url = new URL(input instanceof Request ? input.url : input);
    const headers = new Headers(init.headers);
    // Nobody but the Hub itself is shown the token; `fetch` drops it again when a redirect leads elsewhere.
    if (token && url.origin === origin) headers.set('authorization', `Bearer ${token}`);
    let response: Response;
    try {
      response = await fetch(input, { ...init, headers, ...(signal && { signal }) });
    } catch (cause) {
      if (signal?.aborted) throw interrupted(signal);
      throw new PassingFailure(`${url.origin} cannot be reached: ${networkReason(cause)}`, { cause });
    }
    if (!passingStatuses.includes(response.status)) return response;
    await response.body?.cancel();
    throw new PassingFailure(`${url.origin} answered ${response.status}`);
  }

  return {
    endpoint,
    cache: options.cache ?? getHFHubCachePath(),
    offline: options.offline ?? /^(1|on|yes|true)$/i.test(env.HF_HUB_OFFLINE ?? ''),
    retryDelay: options.retryDelay ?? 1000,
    signal,
    request,
  };
}

export interface Persistence {
  /** Attempts that bring nothing before it is given up. */
  readonly attempts: number;
  /** Whether the failed attempt brought something all the same; then counting begins anew. */
  readonly progressed?: () => Promise<boolean>;
}

/** Repeats what fails in passing, with growing pauses. Throws `download-failed` in the end, and `cancelled`. */
export async function persistently<T>(
  { retryDelay, signal }: Hub,
  attempt: () => Promise<T>,
  { attempts, progressed = async () => false }: Persistence,
): Promise<T> {
  for (let failures = 0; ; ) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof PassingFailure)) throw error;
      failures = (await progressed()) ? 0 : failures + 1;
      if (failures === attempts) throw new AtomError('download-failed', error.message, { cause: error });
    }
    await sleep(retryDelay * 2 ** failures, undefined, signal && { signal }).catch(() => {
      throw interrupted(signal);
    });
  }
}

export function interrupted(signal: AbortSignal | undefined): AtomError {
  return new AtomError('cancelled', 'the download was interrupted', { cause: signal?.reason });
}

/** Why the network failed: `fetch` says only that it failed, its cause says how. */
export function networkReason(error: unknown): string {
  return error instanceof Error && error.cause ? reasonOf(error.cause) || reasonOf(error) : reasonOf(error);
}
