// What all routes share: the options, the parts of the running server, and, once it is loaded, the model.
// Made once by `server.ts`; routes read it and own nothing of it.
import type { Logger } from 'pino';
import type { ServingEngine } from '../engine/engine-types.ts';
import type { Admission } from './admission.ts';
import type { ApiKeys } from './auth.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { LiveStats } from './live-stats.ts';
import type { Metrics } from './metrics.ts';
import { RequestError } from './openai-errors.ts';
import type { ServerOptions } from './options.ts';
import type { RunningRequests } from './running-requests.ts';
import type { ToolFormat } from './tools/tool-format.ts';

/** The loaded model with what requests ask about it. */
export interface Service {
  readonly engine: ServingEngine;
  readonly admission: Admission;
  /** Longest prompt and answer together, in tokens. */
  readonly maxModelLen: number;
  readonly vocabSize: number;
  /** Changes with the weights, their precision and this package's version. */
  readonly fingerprint: string;
  /** How the chat template writes tool calls; undefined where it knows no tools. */
  readonly toolFormat: ToolFormat | undefined;
  /** Whether the chat template takes messages of the system. */
  readonly takesSystem: boolean;
  /** Unix seconds of the load. */
  readonly created: number;
}

export interface ServerContext {
  readonly options: ServerOptions;
  readonly version: string;
  /** What clients may call the model; the first is shown. */
  readonly modelNames: readonly [string, ...string[]];
  readonly modelPath: string;
  readonly logger: Logger;
  readonly lifecycle: Lifecycle;
  readonly keys: ApiKeys;
  readonly metrics: Metrics;
  readonly liveStats: LiveStats;
  readonly running: RunningRequests;
  /** Set once the model is loaded. */
  service: Service | undefined;
}

/** The model for a request that may begin. Throws `not-ready` while loading, `closed` while draining. */
export function serviceOf({ lifecycle, service }: ServerContext): Service {
  lifecycle.assertReady();
  if (service === undefined) throw new RequestError('not-ready', 'the model is loading', { retryAfter: 2 });
  return service;
}

/** Throws `model-not-found` for a name this server does not serve; without a name it serves what it has. */
export function checkModelName({ modelNames }: ServerContext, name: string | undefined): void {
  if (name === undefined || modelNames.includes(name)) return;
  throw new RequestError(
    'model-not-found',
    `The model '${name}' does not exist; this server has '${modelNames[0]}'.`,
  );
}
