// The engine's hold on the grammar's thread, which starts with the first grammar: a mask is worked out there while the
// model runs here. Where the thread dies or hangs, its requests fail and it starts anew; the engine goes on.
import { Worker } from 'node:worker_threads';
import { AtomError } from '../../errors.ts';
import type { Grammar } from '../engine-types.ts';
import type { Sequence } from '../sequence.ts';
import { workerFile } from '../worker-file.ts';
import type { FromGrammar, GrammarStart, ToGrammar } from './grammar-messages.ts';
import { SharedMask } from './shared-mask.ts';

/** Longest time a grammar may take to compile. */
const COMPILE_SECONDS = 20;
/** How long a step waits for a mask: one takes less than a millisecond, but a compilation may be in its way. */
const PATIENCE_MS = 20;
/** The same for an answer that has been late already. */
const IMPATIENCE_MS = 2;
const GIVE_UP_MS = COMPILE_SECONDS * 2000;

interface OpenGrammar {
  readonly message: Extract<ToGrammar, { type: 'open' }>;
  readonly masks: readonly SharedMask[];
  /** When an answer was first found without its mask; by index. */
  readonly lateSince: (number | undefined)[];
  /** Undefined once the grammar is compiled. */
  settle: ((error?: AtomError) => void) | undefined;
}

export class GrammarThread implements Disposable {
  readonly #start: GrammarStart;
  readonly #open = new Map<number, OpenGrammar>();
  #worker: Worker | undefined;
  #watch: NodeJS.Timeout | undefined;

  constructor(start: GrammarStart) {
    this.#start = start;
  }

  /** Resolves once the request's first masks are there. Throws `bad-request` for a grammar that cannot be used. */
  open({ id, n, grammar }: { id: number; n: number; grammar: Grammar }): Promise<void> {
    const masks = Array.from({ length: n }, () => SharedMask.create(this.#start.vocabSize));
    const message = {
      type: 'open',
      requestId: id,
      grammar,
      masks: masks.map(({ buffer }) => buffer),
    } as const;
    return new Promise((resolve, reject) => {
      const settle = (error?: AtomError) => (error ? reject(error) : resolve());
      this.#open.set(id, { message, masks, lateSince: [], settle });
      this.#send(message);
      this.#watchOver();
    });
  }

  /**
   * What the sequence's grammar allows next, undefined while it is being worked out; `(ceil(vocab / 32))` bits.
   * Throws where it will not come.
   */
  mask({ request, index, generated }: Sequence): Int32Array | undefined {
    const grammar = this.#open.get(request.id);
    const mask = grammar?.masks[index];
    if (!grammar || !mask) throw new AtomError('internal', 'the grammar of the request was not opened');
    const { lateSince } = grammar;
    const words = mask.after(generated, lateSince[index] === undefined ? PATIENCE_MS : IMPATIENCE_MS);
    if (mask.failed) throw new AtomError('internal', 'the thread that follows grammars has lost this answer');
    if (words) {
      lateSince[index] = undefined;
      return words;
    }
    lateSince[index] ??= performance.now();
    if (performance.now() - lateSince[index] > GIVE_UP_MS)
      throw new AtomError('timeout', 'the grammar of this answer takes too long');
    return undefined;
  }

  accept({ request, index }: Sequence, tokenId: number): void {
    this.#send({ type: 'accept', requestId: request.id, index, tokenId });
  }

  close(requestId: number): void {
    if (this.#open.delete(requestId)) this.#send({ type: 'close', requestId });
  }

  #send(message: ToGrammar): void {
    this.#worker ??= this.#launch();
    this.#worker.postMessage(message);
  }

  #launch(): Worker {
    const worker = new Worker(workerFile('grammar/grammar-worker'), {
      workerData: this.#start,
      name: 'atom grammar',
    });
    worker.on('message', (message: FromGrammar) => this.#receive(message));
    worker.on('error', () => this.#restart(worker, 'it broke the thread that compiles it'));
    worker.on('exit', () => this.#restart(worker, 'it ended the thread that compiles it'));
    return worker;
  }

  #receive(message: FromGrammar): void {
    const grammar = this.#open.get(message.requestId);
    if (grammar?.settle) {
      const { settle } = grammar;
      grammar.settle = undefined;
      if (message.type === 'failed') {
        this.#open.delete(message.requestId);
        settle(new AtomError(message.error.code, message.error.message));
      } else settle();
    }
    this.#watchOver();
  }

  get #firstUnsettled(): OpenGrammar | undefined {
    return [...this.#open.values()].find(({ settle }) => settle !== undefined);
  }

  /** Every answer of the thread gives the next compilation its whole time. */
  #watchOver(): void {
    clearTimeout(this.#watch);
    if (!this.#firstUnsettled) return;
    this.#watch = setTimeout(
      () =>
        this.#worker && this.#restart(this.#worker, `it takes longer than ${COMPILE_SECONDS} s to compile`),
      COMPILE_SECONDS * 1000,
    );
  }

  /** Fails the grammar that was being compiled and the answers under way; the others begin again in a new thread. */
  #restart(worker: Worker, reason: string): void {
    if (worker !== this.#worker) return;
    this.#worker = undefined;
    void worker.terminate();
    const culprit = this.#firstUnsettled;
    for (const grammar of this.#open.values()) {
      const { settle, message, masks } = grammar;
      if (grammar === culprit) {
        this.#open.delete(message.requestId);
        settle?.(new AtomError('bad-request', `the grammar cannot be used: ${reason}`));
      } else if (settle) this.#send(message);
      else for (const mask of masks) mask.fail();
    }
    this.#watchOver();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#watch);
    const worker = this.#worker;
    this.#worker = undefined;
    void worker?.terminate();
  }
}
