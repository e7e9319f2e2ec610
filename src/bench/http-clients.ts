// The clients of `bench http`, in a thread of their own: raw sockets that count what they get and parse next to nothing,
// so that what is measured is the server. Told to `go`, it asks for all streams at once and answers when all have ended.
import { connect } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';

export interface ClientSettings {
  readonly port: number;
  readonly streams: number;
  readonly prompt: readonly number[];
  readonly maxTokens: number;
}

export interface ClientResult {
  /** Tokens that the last frames of all streams report. */
  readonly tokens: number;
  readonly bytes: number;
  /** Share of the time in which this thread was busy. */
  readonly busy: number;
  readonly failure?: string;
}

/** Bytes of a stream's end that are kept, to read its usage and its end from. */
const TAIL = 1024;

function readStream({ port, prompt, maxTokens }: ClientSettings): Promise<{ tokens: number; bytes: number }> {
  const body = JSON.stringify({
    prompt,
    max_tokens: maxTokens,
    temperature: 0,
    stream: true,
    stream_options: { include_usage: true },
    ignore_eos: true,
  });
  const head = [
    'POST /v1/completions HTTP/1.1',
    'Host: localhost',
    'Connection: close',
    'Content-Type: application/json',
    `Content-Length: ${body.length}`,
  ].join('\r\n');
  return new Promise((resolve, reject) => {
    let bytes = 0;
    let tail = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(`${head}\r\n\r\n${body}`));
    socket.on('data', (chunk) => {
      bytes += chunk.length;
      tail = (tail + chunk.toString('latin1', Math.max(0, chunk.length - TAIL))).slice(-TAIL);
    });
    socket.on('error', reject);
    socket.on('close', () => {
      const tokens = Number(/"completion_tokens":(\d+)/.exec(tail)?.[1]);
      if (tokens > 0 && tail.includes('data: [DONE]')) resolve({ tokens, bytes });
      else reject(new Error(`a stream ended with ${JSON.stringify(tail.slice(-300))}`));
    });
  });
}

async function round(settings: ClientSettings): Promise<ClientResult> {
  const before = performance.eventLoopUtilization();
  const streams = await Promise.all(Array.from({ length: settings.streams }, () => readStream(settings)));
  return {
    tokens: streams.reduce((sum, { tokens }) => sum + tokens, 0),
    bytes: streams.reduce((sum, { bytes }) => sum + bytes, 0),
    busy: performance.eventLoopUtilization(before).utilization,
  };
}

parentPort?.on('message', async () => {
  const answer = await round(workerData as ClientSettings).catch((error: unknown) => ({
    ...{ tokens: 0, bytes: 0, busy: 0 },
    failure: String(error),
  }));
  parentPort?.postMessage(answer satisfies ClientResult);
});
