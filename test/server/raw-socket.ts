// Bytes to a server and bytes back, for what no HTTP client would send.
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface RawOptions {
  /** Close our side after the bytes, as a client that has gone half. */
  readonly halfClose?: boolean;
  /** Milliseconds between the bytes' pieces, for one that sends slowly. */
  readonly pieceMs?: number;
  readonly pieceLength?: number;
  /** Milliseconds between the connection and its first byte, for one opened ahead of need. */
  readonly startMs?: number;
}

/** Everything the server said until it closed; '' where it closed without a word. */
export function exchange(url: string, bytes: Buffer | string, options: RawOptions = {}): Promise<string> {
  const { halfClose = false, pieceMs = 0, pieceLength = Number.POSITIVE_INFINITY, startMs = 0 } = options;
  const { hostname, port } = new URL(url);
  const data = Buffer.from(bytes);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    let said = '';
    socket.setEncoding('latin1');
    socket.setTimeout(20_000, () => reject(new Error('the server neither answered nor closed')));
    socket.on('data', (text) => {
      said += text;
    });
    // A reset is a way to close.
    socket.on('error', () => resolve(said));
    socket.on('end', () => socket.end());
    socket.on('close', () => resolve(said));
    const send = async () => {
      if (startMs > 0) await sleep(startMs);
      for (let start = 0; start < data.length && socket.writable; start += pieceLength) {
        socket.write(data.subarray(start, start + pieceLength));
        if (pieceMs > 0) await sleep(pieceMs);
      }
      if (halfClose) socket.end();
    };
    socket.on('connect', () => void send());
  });
}

/** A request as text, closed after its answer. */
export function httpText(
  method: string,
  path: string,
  body: Buffer | string,
  headers: Record<string, string> = {},
): Buffer {
  const all = {
    host: 'localhost',
    connection: 'close',
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([
    Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`),
    Buffer.from(body),
  ]);
}
