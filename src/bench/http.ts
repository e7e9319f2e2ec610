// What HTTP costs: the same streams through the server and from the engine alone, in turn, on one engine that both share.
// The clients have a thread of their own in this process, so their work is part of the figure: it is a bound from above.
import { once } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Worker } from 'node:worker_threads';
import { Engine } from '../engine/engine.ts';
import { AtomError } from '../errors.ts';
import { serverOptions } from '../server/options.ts';
import { startServer } from '../server/server.ts';
import type { ClientResult, ClientSettings } from './http-clients.ts';
import { median } from './timing.ts';

export interface HttpBenchOptions {
  readonly streams: number;
  /** Tokens of each answer. */
  readonly tokens: number;
  readonly rounds: number;
  readonly threads?: number;
  readonly onRound?: (round: HttpRound) => void;
}

export interface HttpRound {
  /** Tokens per second of all streams together, prompts included in the time. */
  readonly engine: number;
  readonly http: number;
  /** Share of throughput that is lost with HTTP. */
  readonly cost: number;
  /** Milliseconds of processor time per 1000 tokens, the clients' with HTTP. */
  readonly engineCpu: number;
  readonly httpCpu: number;
  /** Milliseconds, of the thread that serves. */
  readonly loopDelay: { readonly p50: number; readonly p99: number; readonly max: number };
  /** Shares of the time in which the serving thread and the clients' thread were busy. */
  readonly serverBusy: number;
  readonly clientsBusy: number;
}

export interface HttpReport {
  readonly model: string;
  readonly scheme: string;
  readonly threads: number;
  readonly streams: number;
  readonly tokens: number;
  readonly rounds: readonly HttpRound[];
  /** Medians of the rounds; the delay's p99 is the worst of them. */
  readonly engine: number;
  readonly http: number;
  readonly cost: number;
  readonly loopDelayP99: number;
}

const promptText = 'It was a dark night, and the captain had not yet come down to the sea.';

/** Throws what loading a model throws, and `internal` where a stream did not end well. */
export async function benchHttp(model: string, options: HttpBenchOptions): Promise<HttpReport> {
  const { streams, tokens, rounds, threads, onRound } = options;
  await using engine = await Engine.load(model, {
    maxBatch: streams,
    // Both sides compute their prompts.
    prefixCache: false,
    ...(threads !== undefined && { threads }),
  });
  const settings = serverOptions.parse({ port: 0, logLevel: 'silent' });
  const server = await startServer({ modelPath: model, options: settings, load: async () => engine });
  await server.ready;
  const prompt = engine.tokenizer.encode(promptText);
  const workerData: ClientSettings = {
    ...{ port: Number(new URL(server.url).port), streams, maxTokens: tokens },
    prompt: [...prompt],
  };
  const compiled = new URL(import.meta.url.endsWith('.js') ? '.' : '../../dist/bench/', import.meta.url);
  const clients = new Worker(new URL('http-clients.js', compiled), { workerData });
  try {
    const sides = {
      engine: () => throughEngine(engine, workerData),
      http: () => throughServer(clients, streams * tokens),
    };
    await sides.engine();
    await sides.http();
    const all: HttpRound[] = [];
    for (let i = 0; i < rounds; i++) {
      // Alternating, so that neither always comes second.
      const first = i % 2 === 0 ? await sides.engine() : undefined;
      const http = await sides.http();
      const alone = first ?? (await sides.engine());
      const round = {
        engine: alone.rate,
        http: http.rate,
        cost: 1 - http.rate / alone.rate,
        engineCpu: alone.cpu,
        httpCpu: http.cpu,
        loopDelay: http.loopDelay,
        serverBusy: http.busy,
        clientsBusy: http.clientsBusy,
      };
      all.push(round);
      onRound?.(round);
    }
    return {
      model,
      scheme: String(engine.info.summary?.scheme),
      threads: Number(engine.info.summary?.threads),
      ...{ streams, tokens, rounds: all },
      engine: median(all.map((round) => round.engine)),
      http: median(all.map((round) => round.http)),
      cost: median(all.map((round) => round.cost)),
      loopDelayP99: Math.max(...all.map((round) => round.loopDelay.p99)),
    };
  } finally {
    await clients.terminate();
    await server.close();
  }
}

interface Side {
  readonly rate: number;
  /** Milliseconds of processor time per 1000 tokens, of all threads. */
  readonly cpu: number;
  readonly busy: number;
  readonly loopDelay: HttpRound['loopDelay'];
}

/** Times `run`, which resolves to the tokens it brought. Watching the loop wakes this thread every millisecond, on both sides. */
async function timed(run: () => Promise<number>): Promise<Side> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const before = performance.eventLoopUtilization();
  const cpuBefore = process.cpuUsage();
  const start = performance.now();
  const tokens = await run();
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpuBefore);
  const busy = performance.eventLoopUtilization(before).utilization;
  delay.disable();
  const ms = (nanoseconds: number) => nanoseconds / 1e6;
  return {
    ...{ rate: tokens / seconds, busy, cpu: (user + system) / tokens },
    loopDelay: { p50: ms(delay.percentile(50)), p99: ms(delay.percentile(99)), max: ms(delay.max) },
  };
}

function throughEngine(engine: Engine, { streams, prompt, maxTokens }: ClientSettings): Promise<Side> {
  const read = async () => {
    let tokens = 0;
    for await (const event of engine.generate({ prompt, maxTokens, temperature: 0, ignoreEos: true }))
      if (event.type === 'token') tokens++;
    return tokens;
  };
  return timed(async () => {
    const counts = await Promise.all(Array.from({ length: streams }, read));
    return counts.reduce((sum, count) => sum + count, 0);
  });
}

async function throughServer(clients: Worker, expected: number): Promise<Side & { clientsBusy: number }> {
  let clientsBusy = 0;
  const side = await timed(async () => {
    clients.postMessage('go');
    const [result] = (await once(clients, 'message')) as [ClientResult];
    if (result.failure !== undefined || result.tokens !== expected) {
      const reason = result.failure ?? `${result.tokens} tokens came, not ${expected}`;
      throw new AtomError('internal', `bench http: ${reason}`);
    }
    clientsBusy = result.busy;
    return result.tokens;
  });
  return { ...side, clientsBusy };
}
