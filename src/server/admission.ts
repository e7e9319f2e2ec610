// Who may start now: counts the sequences and prompt tokens in flight, and refuses what would wait too long.
// The counts change in the same turn as the decision, so two requests never share the last place.
// It knows no socket and no engine; the engine has its own queue, which this keeps short.
import { RequestError } from './openai-errors.ts';

export interface AdmissionLimits {
  /** Sequences the engine runs at a time. */
  readonly maxRunning: number;
  /** Sequences that may wait beyond these. */
  readonly maxQueue: number;
  /** Prompt tokens of all requests in flight. */
  readonly maxQueuedTokens: number;
  /** Requests in flight of one API key. */
  readonly maxPerKey: number;
}

export interface Demand {
  readonly sequences: number;
  readonly promptTokens: number;
  readonly callerId: string;
}

/** A place in the server; disposing it gives the place back. */
export type Ticket = Disposable;

export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #requestsOf = new Map<string, number>();
  #sequences = 0;
  #promptTokens = 0;
  #requests = 0;
  /** Seconds one request took, averaged with more weight on the last ones. */
  #meanSeconds = 1;
  readonly rejections = { queue: 0, tokens: 0, key: 0 };

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
  }

  /** Requests in flight. */
  get requests(): number {
    return this.#requests;
  }

  /** Sequences in flight, running or waiting. */
  get sequences(): number {
    return this.#sequences;
  }

  /**
   * Throws `bad-request` for what never fits, `rate-limited` beyond the caller's share, `queue-full` beyond the server's;
   * the last two say when to come back.
   */
  admit(demand: Demand): Ticket {
    const { maxQueuedTokens, maxPerKey } = this.#limits;
    const { sequences, promptTokens, callerId } = demand;
    const places = this.#places;
    this.checkFits(sequences);
    const own = this.#requestsOf.get(callerId) ?? 0;
    if (own >= maxPerKey) {
      this.rejections.key++;
      throw new RequestError(
        'rate-limited',
        `this API key has ${own} requests in flight, and ${maxPerKey} are allowed; wait for one to end`,
        { retryAfter: this.#secondsUntil(1) },
      );
    }
    if (this.#sequences + sequences > places) {
      this.rejections.queue++;
      throw new RequestError(
        'queue-full',
        `the server is busy: ${this.#sequences} of ${places} places are taken`,
        { retryAfter: this.#secondsUntil(this.#sequences + sequences - places) },
      );
    }
    // A prompt above the limit alone still has its turn when the server is empty.
    if (this.#sequences > 0 && this.#promptTokens + promptTokens > maxQueuedTokens) {
      this.rejections.tokens++;
      throw new RequestError(
        'queue-full',
        `the server is busy: ${this.#promptTokens} prompt tokens are in flight, and ${maxQueuedTokens} are allowed`,
        { retryAfter: this.#secondsUntil(1) },
      );
    }
    return this.#take(demand, own);
  }

  /** Throws `bad-request` for more sequences than the server ever holds. */
  checkFits(sequences: number): void {
    if (sequences <= this.#places) return;
    throw new RequestError(
      'bad-request',
      `the request asks for ${sequences} answers (prompts times n), but this server holds ${this.#places}; split it`,
      { param: 'n', openaiCode: 'integer_above_max_value' },
    );
  }

  get #places(): number {
    return this.#limits.maxRunning + this.#limits.maxQueue;
  }

  #take({ sequences, promptTokens, callerId }: Demand, own: number): Ticket {
    this.#requestsOf.set(callerId, own + 1);
    this.#sequences += sequences;
    this.#promptTokens += promptTokens;
    this.#requests++;
    const since = performance.now();
    let open = true;
    return {
      [Symbol.dispose]: () => {
        if (!open) return;
        open = false;
        const left = this.#requestsOf.get(callerId)! - 1;
        if (left === 0) this.#requestsOf.delete(callerId);
        else this.#requestsOf.set(callerId, left);
        this.#sequences -= sequences;
        this.#promptTokens -= promptTokens;
        this.#requests--;
        this.#meanSeconds += ((performance.now() - since) / 1000 - this.#meanSeconds) / 8;
      },
    };
  }

  /** Seconds until `places` sequences should have ended, in the 1 to 60 that clients honour. */
  #secondsUntil(places: number): number {
    const seconds =
      (this.#meanSeconds * places) / Math.max(1, Math.min(this.#sequences, this.#limits.maxRunning));
    return Math.min(60, Math.max(1, Math.ceil(seconds)));
  }
}
