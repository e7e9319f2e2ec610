// A server's life: it listens at once, loads the model behind, serves, drains, closes. Health routes tell which of these it
// is at. Signals and the process are the caller's matter.
import { basename, resolve } from 'node:path';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import type { ServingEngine } from '../engine/engine-types.ts';
import { AtomError } from '../errors.ts';
import { packageVersion } from '../package-version.ts';
import { buildApp } from './app.ts';
import { ApiKeys, readKeyFile } from './auth.ts';
import type { ServerContext } from './context.ts';
import { Lifecycle } from './lifecycle.ts';
import { isLoopback, listen } from './listen.ts';
import { LiveStats } from './live-stats.ts';
import { createLogger } from './logger.ts';
import { Metrics } from './metrics.ts';
import type { ServerOptions } from './options.ts';
import { RunningRequests } from './running-requests.ts';
import { serviceFor } from './service.ts';

export interface StartOptions {
  readonly modelPath: string;
  readonly options: ServerOptions;
  /** Loads the model; called once the server listens. */
  readonly load: () => Promise<ServingEngine>;
  readonly logger?: Logger;
}

export class Server {
  /** `http://127.0.0.1:8000`, or `unix:/run/atom/socket` */
  readonly url: string;
  /** Resolves once the model is loaded. Rejects where that failed; the server is then closed. */
  readonly ready: Promise<void>;
  readonly #app: FastifyInstance;
  readonly #context: ServerContext;
  #closing: Promise<void> | undefined;

  /** Made by `startServer`. */
  constructor(
    app: FastifyInstance,
    context: ServerContext,
    start: { url: string; load: () => Promise<ServingEngine> },
  ) {
    this.#app = app;
    this.#context = context;
    this.url = start.url;
    this.ready = this.#load(start.load);
    // Whoever awaits it still sees the failure.
    this.ready.catch(() => {});
  }

  /** Takes no new requests, waits for those that run until the drain's time is over, then ends them and closes. */
  async drain(): Promise<void> {
    const { lifecycle, running, options, logger } = this.#context;
    lifecycle.advance('draining');
    logger.info({ running: running.size, seconds: options.drainTimeout }, 'draining');
    await Promise.race([running.whenEmpty(), delay(options.drainTimeout * 1000)]);
    await this.close();
  }

  /** Ends what runs, with an error to its clients, and closes everything. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #load(load: () => Promise<ServingEngine>): Promise<void> {
    const { lifecycle, logger } = this.#context;
    try {
      const engine = await load();
      if (lifecycle.state !== 'loading') {
        await engine.close();
        throw new AtomError('closed', 'the server was closed while the model was loading');
      }
      this.#context.service = serviceFor(this.#context, engine);
      this.#context.metrics.watch(engine);
      lifecycle.advance('ready');
      logger.info({ model: this.#context.modelNames[0], ...engine.info.summary }, 'ready');
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async #close(): Promise<void> {
    const { lifecycle, running, service, liveStats, logger } = this.#context;
    lifecycle.advance('closed');
    running.abortAll(new AtomError('closed', 'the server is shutting down'));
    const closed = this.#app.close();
    // Their last frames go out first; a client that does not take them is cut off.
    await Promise.race([running.whenEmpty(), delay(1000)]);
    await Promise.race([closed, delay(1000)]);
    this.#app.server.closeAllConnections();
    await closed;
    await service?.engine.close();
    liveStats[Symbol.dispose]();
    logger.info('closed');
  }
}

/** Resolves once the server listens; throws `io` where it cannot. */
export async function startServer({ modelPath, options, load, logger }: StartOptions): Promise<Server> {
  const keys = [
    ...options.apiKey,
    ...(options.apiKeyFile === undefined ? [] : readKeyFile(options.apiKeyFile)),
  ];
  const [first, ...aliases] = options.servedModelName;
  const path = resolve(modelPath);
  const modelNames = [first ?? basename(path), ...aliases] as const;
  const engineStats = () => context.service?.engine.stats();
  const context: ServerContext = {
    options,
    version: packageVersion(),
    modelNames,
    modelPath: path,
    logger: logger ?? createLogger({ level: options.logLevel, format: options.logFormat }),
    lifecycle: new Lifecycle(),
    keys: new ApiKeys(keys),
    metrics: new Metrics({
      modelName: modelNames[0],
      rejections: () => ({ ...context.service?.admission.rejections }),
    }),
    liveStats: new LiveStats(engineStats),
    running: new RunningRequests(),
    service: undefined,
  };
  const app = buildApp(context);
  const url = await listen(app, options);
  if (!context.keys.required && !isLoopback(options.host))
    context.logger.warn(
      { host: options.host },
      'anybody who reaches this address may use the model; consider --api-key',
    );
  return new Server(app, context, { url, load });
}

const delay = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms).unref());
