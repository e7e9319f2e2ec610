// The serving engine as its callers see it: requests in, streams of events out. The work is done in a thread of its own
// (worker.ts), so that the caller's thread stays free for sockets; this side turns tokens into text.
import { Worker } from 'node:worker_threads';
import { openCheckpoint } from '../checkpoint/open-checkpoint.ts';
import { AtomError } from '../errors.ts';
import { loadTokenizer } from '../tokenizer/load-tokenizer.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import type {
  EngineInfo,
  EngineStats,
  GenerateEvent,
  GenerateRequest,
  ServingEngine,
} from './engine-types.ts';
import type { FromWorker, ReadyMessage, StepMessage, ToWorker, WorkerStart } from './messages.ts';
import { defaultMaxQueue, type EngineOptions } from './options.ts';
import { prepareRequest, type RequestDefaults, recommendedSampling } from './prepare-request.ts';
import { RequestStream } from './request-stream.ts';
import { workerFile } from './worker-file.ts';

export interface LoadEngineOptions extends EngineOptions {
  /** Ends the load. */
  readonly signal?: AbortSignal;
}

interface EngineParts {
  readonly worker: Worker;
  readonly ready: ReadyMessage;
  readonly tokenizer: Tokenizer;
  readonly defaults: RequestDefaults;
  readonly maxQueue: number;
}

/** Longest time the worker gets to end by itself: a step of a large model. */
const CLOSE_SECONDS = 10;

export class Engine implements ServingEngine, AsyncDisposable {
  readonly info: EngineInfo;
  readonly tokenizer: Tokenizer;
  readonly #worker: Worker;
  readonly #defaults: RequestDefaults;
  readonly #maxSequences: number;
  readonly #streams = new Map<number, RequestStream>();
  readonly #ended: Promise<void>;
  #onFailure: ((error: AtomError) => void)[] = [];
  #onStep: ((stats: EngineStats) => void)[] = [];
  #stats: EngineStats;
  #failure: AtomError | undefined;
  #closed = false;
  #lastId = 0;

  /** Made by `load`. */
  private constructor({ worker, ready, tokenizer, defaults, maxQueue }: EngineParts) {
    this.info = ready.info;
    this.tokenizer = tokenizer;
    this.#worker = worker;
    this.#defaults = defaults;
    this.#maxSequences = ready.info.maxBatch + maxQueue;
    this.#stats = ready.stats;
    this.#ended = new Promise((resolve) => worker.once('exit', () => resolve()));
    worker.on('message', (message: FromWorker) => this.#receive(message));
    worker.on('error', (error) => this.#fail(engineFailed(error.message, error)));
    worker.on('exit', (code) => this.#fail(engineFailed(`its thread ended with code ${code}`)));
  }

  /**
   * Loads a checkpoint's folder into a thread of its own. Throws what `loadModel` throws, `bad-option` or `out-of-memory`
   * where the cache does not fit, `cancelled` on abort.
   */
  static async load(path: string, options: LoadEngineOptions = {}): Promise<Engine> {
    const { signal, maxQueue = defaultMaxQueue, ...own } = options;
    return Engine.connect(startWorker(path, own), path, { maxQueue, ...(signal && { signal }) });
  }

  /** The engine of a worker that `startWorker` has started for the same path. */
  static async connect(
    worker: Worker,
    path: string,
    { maxQueue = defaultMaxQueue, signal }: Pick<LoadEngineOptions, 'maxQueue' | 'signal'> = {},
  ): Promise<Engine> {
    try {
      const loading = readiness(worker, signal);
      // Where this side fails first, the thread's own failure is of no interest.
      loading.catch(() => {});
      const { config, generation } = openCheckpoint(path);
      const tokenizer = loadTokenizer(path, { vocabSize: config.vocabSize });
      const ready = await loading;
      const { maxModelLen, vocabSize } = ready.info;
      const sampling = recommendedSampling(generation);
      const defaults = { sampling, eosTokenIds: config.eosTokenIds, maxModelLen, vocabSize };
      return new Engine({ worker, ready, tokenizer, defaults, maxQueue });
    } catch (error) {
      await worker.terminate();
      throw error;
    }
  }

  get failed(): boolean {
    return this.#failure !== undefined;
  }

  /** Resolves with the reason once the engine has died; never for one that is closed. */
  whenFailed(): Promise<AtomError> {
    if (this.#failure) return Promise.resolve(this.#failure);
    return new Promise((resolve) => this.#onFailure.push(resolve));
  }

  stats(): EngineStats {
    return this.#stats;
  }

  onStep(listener: (stats: EngineStats) => void): void {
    this.#onStep.push(listener);
  }

  /**
   * Events of a request, ending with a finish event for each answer. Ending the iteration early, or the signal, cancels
   * it. Throws at the first event `bad-request`, `context-length-exceeded`, `queue-full`, `closed`; at any time
   * `cancelled`, `engine-failed`, `numeric`.
   */
  async *generate(
    request: GenerateRequest,
    { signal }: { signal?: AbortSignal } = {},
  ): AsyncGenerator<GenerateEvent> {
    if (signal?.aborted)
      throw new AtomError('cancelled', 'the request was cancelled before it began', { cause: signal.reason });
    const stream = this.#add(request);
    try {
      yield* stream.read(signal);
    } finally {
      const { id } = stream.request;
      if (!stream.ended) this.#send({ type: 'cancel', requestId: id });
      this.#streams.delete(id);
    }
  }

  /** Fails what runs with `closed` and ends the thread. */
  async close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      this.#failAll(new AtomError('closed', 'the engine was closed'));
      this.#send({ type: 'close' });
    }
    const timeout = setTimeout(() => void this.#worker.terminate(), CLOSE_SECONDS * 1000);
    await this.#ended;
    clearTimeout(timeout);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #add(asked: GenerateRequest): RequestStream {
    if (this.#failure) throw this.#failure;
    if (this.#closed) throw new AtomError('closed', 'the engine is closed');
    const request = prepareRequest(asked, { id: ++this.#lastId, defaults: this.#defaults });
    const { id, n } = request;
    const sequences = [...this.#streams.values()].reduce((sum, stream) => sum + stream.request.n, 0);
    if (sequences + n > this.#maxSequences)
      throw new AtomError(
        'queue-full',
        `${sequences} answers run or wait already, and ${this.#maxSequences} may; try again later`,
      );
    const stream = new RequestStream({
      request,
      asked,
      tokenizer: this.tokenizer,
      stopAnswer: (index) => this.#send({ type: 'cancel', requestId: id, index }),
    });
    this.#streams.set(id, stream);
    this.#send({ type: 'add', request });
    return stream;
  }

  #receive(message: FromWorker): void {
    if (message.type === 'step') this.#distribute(message);
    else if (message.type === 'failed')
      this.#fail(new AtomError('engine-failed', `the engine has failed: ${message.error.message}`));
  }

  /** Messages about requests that have left meanwhile are of no interest. */
  #distribute(message: StepMessage): void {
    const { requestIds, indexes, tokenIds, scores } = message;
    if (message.stats.steps > this.#stats.steps) for (const listener of this.#onStep) listener(message.stats);
    this.#stats = message.stats;
    for (const { requestId, scores: promptScores } of message.promptScores)
      this.#streams.get(requestId)?.promptScores(promptScores);
    for (const answer of message.started) this.#streams.get(answer.requestId)?.started(answer);
    for (let i = 0; i < tokenIds.length; i++)
      this.#streams.get(requestIds[i]!)?.token(indexes[i]!, tokenIds[i]!, scores?.[i]);
    for (const { requestId, index, reason } of message.finished)
      this.#streams.get(requestId)?.finished(index, reason);
    for (const { requestId, error } of message.failures)
      this.#streams.get(requestId)?.fail(new AtomError(error.code, error.message));
  }

  #fail(error: AtomError): void {
    if (this.#closed || this.#failure) return;
    this.#failure = error;
    this.#stats = { ...this.#stats, running: 0, waiting: 0, kvBlocksUsed: 0 };
    this.#failAll(error);
    for (const tell of this.#onFailure) tell(error);
  }

  #failAll(error: AtomError): void {
    for (const stream of this.#streams.values()) stream.fail(error);
  }

  #send(message: ToWorker): void {
    this.#worker.postMessage(message);
  }
}

export function startWorker(modelPath: string, options: EngineOptions = {}): Worker {
  const workerData: WorkerStart = { modelPath, options };
  return new Worker(workerFile('worker'), { workerData, name: 'atom engine' });
}

/** The worker's first word. Rejects with what the load failed with. */
function readiness(worker: Worker, signal: AbortSignal | undefined): Promise<ReadyMessage> {
  return new Promise((resolve, reject) => {
    const onAbort = () =>
      settle(() => reject(new AtomError('cancelled', 'the load was cancelled', { cause: signal?.reason })));
    const onError = (error: Error) => settle(() => reject(engineFailed(error.message, error)));
    const onExit = (code: number) =>
      settle(() => reject(engineFailed(`its thread ended with code ${code} while loading`)));
    const onMessage = (message: FromWorker) =>
      settle(() => {
        if (message.type === 'ready') resolve(message);
        else if (message.type === 'failed') reject(new AtomError(message.error.code, message.error.message));
        else reject(engineFailed('its first message was none of a load'));
      });
    const settle = (act: () => void) => {
      worker.off('message', onMessage).off('error', onError).off('exit', onExit);
      signal?.removeEventListener('abort', onAbort);
      act();
    };
    worker.once('message', onMessage).once('error', onError).once('exit', onExit);
    signal?.addEventListener('abort', onAbort);
    if (signal?.aborted) onAbort();
  });
}

function engineFailed(reason: string, cause?: unknown): AtomError {
  return new AtomError('engine-failed', `the engine has failed: ${reason}`, { cause });
}
