// The engine's hold on the grammar's thread, which starts with the first grammar: a mask is worked out there while the
// model runs here. Where the thread breaks or hangs over a grammar, that one's request fails, a new thread starts, and the
// answers under way are followed again from their beginning.
import { Worker } from 'node:worker_threads';
import { AtomError } from '../../errors.ts';
import type { Grammar } from '../engine-types.ts';
import type { Sequence } from '../sequence.ts';
import { workerFile } from '../worker-file.ts';
import type { FromGrammar, GrammarStart, ToGrammar } from './grammar-messages.ts';
import { SharedMask } from './shared-mask.ts';

/** Longest time a grammar may take to compile. */
const COMPILE_SECONDS = 20;
/** How long a step waits for the next mask: one takes less than a millisecond, but a compilation may be in its way. */
const PATIENCE_MS = 20;
/** The same for a whole step, where the last one waited in vain: answers without a grammar must go on. */
const IMPATIENCE_MS = 2;
const GIVE_UP_MS = 3 * COMPILE_SECONDS * 1000;
/** Threads that may end for no known reason under one request. */
const MOST_RESTARTS = 2;

interface OpenGrammar {
  readonly requestId: number;
  readonly grammar: Grammar;
  readonly answers: readonly Answer[];
  /** Undefined once the grammar is compiled. */
  settle: ((error?: AtomError) => void) | undefined;
  /** Closed before it was compiled: nobody wants it, but the thread still has it to do. */
  abandoned: boolean;
  failure: AtomError | undefined;
  restarts: number;
}

interface Answer {
  readonly mask: SharedMask;
  readonly tokens: number[];
  /** When the answer was first found without its mask. */
  lateSince: number | undefined;
}

export class GrammarThread implements Disposable {
  readonly #start: GrammarStart;
  readonly #open = new Map<number, OpenGrammar>();
  #worker: Worker | undefined;
  #watch: NodeJS.Timeout | undefined;
  /** Until when the step may wait, as performance.now() counts; later once a mask has come. */
  #patientUntil = 0;
  /** No mask has come since one was awaited in vain. */
  #stalled = false;

  constructor(start: GrammarStart) {
    this.#start = start;
  }

  /** Resolves once the request's first masks are there. Throws `bad-request` for a grammar that cannot be used. */
  open({ id, n, grammar }: { id: number; n: number; grammar: Grammar }): Promise<void> {
    const { vocabSize } = this.#start;
    const answers = Array.from({ length: n }, () => ({
      mask: SharedMask.create(vocabSize),
      tokens: [],
      lateSince: undefined,
    }));
    return new Promise((resolve, reject) => {
      const settle = (error?: AtomError) => (error ? reject(error) : resolve());
      const begin = { settle, abandoned: false, failure: undefined, restarts: 0 };
      const opened = { requestId: id, grammar, answers, ...begin };
      this.#open.set(id, opened);
      this.#follow(opened);
      this.#watchOver();
    });
  }

  startStep(): void {
    this.#patientUntil = performance.now() + (this.#stalled ? IMPATIENCE_MS : PATIENCE_MS);
  }

  /**
   * What the sequence's grammar allows next, (ceil(vocab / 32)) bits; undefined while it is being worked out.
   * Throws where it will not come.
   */
  mask({ request, index, generated }: Sequence): Int32Array | undefined {
    const grammar = this.#open.get(request.id);
    const answer = grammar?.answers[index];
    if (!grammar || !answer) throw new AtomError('internal', 'the grammar of the request was not opened');
    if (grammar.failure) throw grammar.failure;
    const words = answer.mask.after(generated, Math.max(0, this.#patientUntil - performance.now()));
    if (words) {
      answer.lateSince = undefined;
      this.#stalled = false;
      this.#patientUntil = performance.now() + PATIENCE_MS;
      return words;
    }
    this.#stalled = true;
    answer.lateSince ??= performance.now();
    if (performance.now() - answer.lateSince > GIVE_UP_MS)
      throw new AtomError('timeout', 'the grammar of this answer takes too long');
    return undefined;
  }

  accept({ request, index }: Sequence, tokenId: number): void {
    this.#open.get(request.id)?.answers[index]?.tokens.push(tokenId);
    this.#send({ type: 'accept', requestId: request.id, index, tokenId });
  }

  /** Nobody waits any more for a grammar that `open` has not settled: it is not compiled unless that has begun. */
  abandon(requestId: number): void {
    if (this.#open.has(requestId)) this.#send({ type: 'close', requestId });
  }

  close(requestId: number): void {
    const grammar = this.#open.get(requestId);
    if (!grammar) return;
    // While it is compiled it stays the one to blame where the thread breaks or hangs.
    if (grammar.settle) grammar.abandoned = true;
    else this.#forget(grammar);
  }

  #forget({ requestId }: OpenGrammar): void {
    this.#open.delete(requestId);
    this.#send({ type: 'close', requestId });
  }

  #follow({ requestId, grammar, answers }: OpenGrammar): void {
    const starts = answers.map(({ mask, tokens }) => ({ mask: mask.buffer, tokens }));
    this.#send({ type: 'open', requestId, grammar, answers: starts });
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
    worker.on('message', (message: FromGrammar) => this.#receive(worker, message));
    worker.on('error', () => this.#restart(worker, 'it broke the thread that compiles it'));
    worker.on('exit', () => this.#restart(worker, 'it ended the thread that compiles it'));
    return worker;
  }

  #receive(worker: Worker, message: FromGrammar): void {
    const grammar = this.#open.get(message.requestId);
    if (message.type === 'failed') {
      if (grammar) this.#fail(grammar, new AtomError(message.error.code, message.error.message));
      if (message.isBroken) this.#restart(worker);
    } else if (grammar) {
      grammar.settle?.();
      grammar.settle = undefined;
      if (grammar.abandoned) this.#forget(grammar);
    }
    this.#watchOver();
  }

  /** Now where its request waits, else when it asks for its next mask. */
  #fail(grammar: OpenGrammar, error: AtomError): void {
    grammar.failure = error;
    if (!grammar.settle) return;
    this.#open.delete(grammar.requestId);
    grammar.settle(error);
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

  /** Begins again in a new thread. `reason`: what to tell the grammar that was being compiled, which is to blame. */
  #restart(worker: Worker, reason?: string): void {
    if (worker !== this.#worker) return;
    this.#worker = undefined;
    void worker.terminate();
    const culprit = reason === undefined ? undefined : this.#firstUnsettled;
    if (culprit) this.#fail(culprit, new AtomError('bad-request', `the grammar cannot be used: ${reason}`));
    for (const grammar of [...this.#open.values()]) {
      if (grammar.abandoned) this.#open.delete(grammar.requestId);
      if (grammar.abandoned || grammar.failure) continue;
      if (reason !== undefined && !culprit && ++grammar.restarts > MOST_RESTARTS) {
        this.#fail(grammar, new AtomError('internal', 'the thread that follows grammars keeps ending'));
        continue;
      }
      for (const { mask } of grammar.answers) mask.reset();
      this.#follow(grammar);
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
