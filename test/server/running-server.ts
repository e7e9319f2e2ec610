// A server on a free port for one test, and the official client for it.
import OpenAI from 'openai';
import { pino } from 'pino';
import type { ServingEngine } from '../../src/engine/engine-types.ts';
import type { ServerOptions } from '../../src/server/options.ts';
import { readServerOptions } from '../../src/server/read-options.ts';
import { type Server, startServer } from '../../src/server/server.ts';
import { modelPath, type Script, ScriptedEngine } from './scripted-engine.ts';

export interface Running extends AsyncDisposable {
  readonly server: Server;
  readonly url: string;
  readonly client: OpenAI;
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>;
  get(path: string, headers?: Record<string, string>): Promise<Response>;
}

export interface RunningOptions {
  readonly options?: Partial<ServerOptions>;
  readonly load?: () => Promise<ServingEngine>;
  readonly apiKey?: string;
}

export async function run({ options = {}, load, apiKey = 'none' }: RunningOptions): Promise<Running> {
  const server = await startServer({
    modelPath,
    options: { ...readServerOptions({ flags: { port: 0 } }), ...options },
    load: load ?? (async () => new ScriptedEngine()),
    logger: pino({ level: 'silent' }),
  });
  const { url } = server;
  return {
    server,
    url,
    client: new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 }),
    post: (path, body, headers = {}) =>
      fetch(url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    get: (path, headers = {}) => fetch(url + path, { headers }),
    [Symbol.asyncDispose]: () => server.close(),
  };
}

/** A server around a scripted engine. */
export async function runScript(
  script: Script,
  options: Partial<ServerOptions> = {},
): Promise<Running & { engine: ScriptedEngine }> {
  const engine = new ScriptedEngine(script);
  const running = await run({ options, load: async () => engine });
  await running.server.ready;
  return { ...running, engine };
}

/** All that a stream gives. */
export async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of stream) all.push(item);
  return all;
}

/** An answer's JSON, as the type that the test expects of it. */
export async function jsonOf<T>(response: Response | Promise<Response>): Promise<T> {
  return (await (await response).json()) as T;
}
