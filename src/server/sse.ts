// One stream of server-sent events over an open response: frames, pings, backpressure.
// What is in a frame is the caller's matter; it knows no request and no token.
// Format: WHATWG HTML, section 9.2; `data: [DONE]` as OpenAI's streams end.
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { AtomError } from '../errors.ts';

export interface SseOptions {
  /** Headers beside the stream's own. */
  readonly headers?: Readonly<Record<string, string>>;
  /** A comment is sent after this much silence, so that proxies keep the connection. */
  readonly pingSeconds?: number;
  /** A client that takes nothing for this long is cut off. */
  readonly stallSeconds?: number;
}

export class SseStream {
  readonly #response: ServerResponse;
  readonly #pings: NodeJS.Timeout;
  readonly #stallSeconds: number;
  /** Frames of this turn of the event loop; they go out in one write. */
  #pending = '';
  #scheduled = false;
  #draining: Promise<void> | undefined;
  #silent = true;
  #ended = false;
  /** Bytes handed to the socket. */
  bytes = 0;

  /** Sends the headers at once. */
  constructor(response: ServerResponse, options: SseOptions = {}) {
    const { headers = {}, pingSeconds = 15, stallSeconds = 60 } = options;
    this.#response = response;
    this.#stallSeconds = stallSeconds;
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
      ...headers,
    });
    response.flushHeaders();
    this.#pings = setInterval(() => this.#ping(), pingSeconds * 1000);
    response.once('close', () => clearInterval(this.#pings));
  }

  /** Queues one event. `json` must be one line, as JSON.stringify makes it. */
  send(json: string): void {
    this.#pending += `data: ${json}\n\n`;
    this.#silent = false;
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#flush);
  }

  /** Whether the client takes less than it is sent; then `drained` should be awaited before more. */
  get congested(): boolean {
    // Asked anew each time: a client may have caught up before anybody has listened for that.
    return this.#response.writableNeedDrain || this.#response.socket?.writableNeedDrain === true;
  }

  /** Waits until the client has taken what was sent. Throws `timeout` where it has stalled, `cancelled` where it left. */
  async drained(): Promise<void> {
    if (!this.congested) return;
    // One wait for all prompts of a request.
    this.#draining ??= this.#drain().finally(() => {
      this.#draining = undefined;
    });
    await this.#draining;
  }

  async #drain(): Promise<void> {
    const stall = AbortSignal.timeout(this.#stallSeconds * 1000);
    const left = new AbortController();
    const onClose = () => left.abort();
    this.#response.once('close', onClose);
    try {
      if (this.#response.destroyed) onClose();
      const { socket } = this.#response;
      const drained = socket?.writableNeedDrain ? socket : this.#response;
      await once(drained, 'drain', { signal: AbortSignal.any([stall, left.signal]) });
    } catch (cause) {
      // A connection that breaks fails the wait before it closes.
      if (!stall.aborted || left.signal.aborted)
        throw new AtomError('cancelled', 'the client closed the connection', { cause });
      this.#response.destroy();
      throw new AtomError('timeout', `the client took nothing for ${this.#stallSeconds} s`, { cause });
    } finally {
      this.#response.off('close', onClose);
    }
  }

  /** Sends the last frames and `[DONE]`, and closes the response. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#pings);
    this.#pending += 'data: [DONE]\n\n';
    this.bytes += this.#pending.length;
    if (!this.#response.destroyed) this.#response.end(this.#pending);
    this.#pending = '';
  }

  readonly #flush = () => {
    this.#scheduled = false;
    if (this.#pending === '' || this.#ended || this.#response.destroyed) return;
    const frames = this.#pending;
    this.#pending = '';
    this.bytes += frames.length;
    this.#write(frames);
  };

  /**
   * Node writes a chunk in three pieces, which takes twice as long as one: here it is framed in one text. Only while the
   * response has its connection to itself; a pipelined one waits for those before it. Chunks: RFC 9112, section 7.1.
   */
  #write(frames: string): void {
    const { socket, chunkedEncoding } = this.#response;
    if (socket === null || !chunkedEncoding) this.#response.write(frames);
    else socket.write(`${Buffer.byteLength(frames).toString(16)}\r\n${frames}\r\n`);
  }

  #ping(): void {
    // While the client is behind, a ping would only lengthen its queue.
    if (this.#silent && !this.congested && !this.#response.destroyed) this.#response.write(': ping\n\n');
    this.#silent = true;
  }
}
