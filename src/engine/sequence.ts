// One answer in the making: its tokens, what of them the cache holds, and how it ended.
// It must not know tensors, nor who else is served.
import type { BlockManager } from './block-manager.ts';
import { BlockTable } from './block-table.ts';
import type { EngineRequest } from './request.ts';

export type FinishReason = 'stop' | 'length';

interface SequenceOptions {
  readonly index?: number;
  readonly arrival: number;
  readonly arrivedAt?: number;
  readonly table: BlockTable;
}

export class Sequence {
  readonly request: EngineRequest;
  /** Which of the request's answers. */
  readonly index: number;
  /** Place in the order of arrival; its request's other answers have the same. */
  readonly arrival: number;
  readonly table: BlockTable;
  /** Tokens of prompt and answer. */
  length: number;
  /** Leading tokens whose keys and values are in the cache. */
  computed = 0;
  /** Whether the request's other answers have begun: its prompt has been run to its end. */
  forked = false;
  finish: FinishReason | undefined;
  /** Tokens of the prompt that the cache held when the sequence first started; undefined before. */
  cachedTokens: number | undefined;
  /** Milliseconds on this thread's clock; `startedAt` is when it was first run. */
  readonly arrivedAt: number;
  startedAt: number | undefined;
  #tokens: Int32Array;

  constructor(
    request: EngineRequest,
    { index = 0, arrival, table, arrivedAt = performance.now() }: SequenceOptions,
  ) {
    this.request = request;
    this.index = index;
    this.arrival = arrival;
    this.table = table;
    this.arrivedAt = arrivedAt;
    this.length = request.prompt.length;
    this.#tokens = new Int32Array(request.prompt.length + Math.min(request.maxTokens, 64));
    this.#tokens.set(request.prompt);
  }

  static start(
    request: EngineRequest,
    { arrival, blocks }: { arrival: number; blocks: BlockManager },
  ): Sequence {
    return new Sequence(request, { arrival, table: new BlockTable(blocks) });
  }

  get promptLength(): number {
    return this.request.prompt.length;
  }

  get generated(): number {
    return this.length - this.request.prompt.length;
  }

  /** The tokens, and room after `length` for guesses; of no use once a token is appended. */
  get tokens(): Int32Array {
    return this.#tokens;
  }

  /** Another answer to the same prompt, sharing what is in the cache once the prompt is run. */
  fork(index: number): Sequence {
    const { request, arrival, arrivedAt } = this;
    const other = new Sequence(request, { index, arrival, arrivedAt, table: this.table.fork() });
    other.startedAt = this.startedAt;
    other.computed = this.computed;
    other.forked = true;
    other.cachedTokens = this.promptLength;
    return other;
  }

  /** Writes guesses for the tokens that come next. */
  guess(tokenIds: Int32Array): void {
    this.#makeRoom(tokenIds.length);
    this.#tokens.set(tokenIds, this.length);
  }

  /** Adds a token to the answer and tells whether the answer goes on. */
  append(tokenId: number): boolean {
    const { maxTokens, stopTokenIds } = this.request;
    this.#makeRoom(1);
    this.#tokens[this.length++] = tokenId;
    if (stopTokenIds.includes(tokenId)) this.finish = 'stop';
    else if (this.generated >= maxTokens) this.finish = 'length';
    return this.finish === undefined;
  }

  /** Gives the cache blocks back; the tokens will be run again. */
  release(): void {
    this.table.release();
    this.computed = 0;
  }

  #makeRoom(more: number): void {
    if (this.length + more <= this.#tokens.length) return;
    const larger = new Int32Array(Math.max(this.length + more, this.#tokens.length * 2));
    larger.set(this.#tokens.subarray(0, this.length));
    this.#tokens = larger;
  }
}

/** Whether `a` is served before `b`. */
export function comesBefore(a: Sequence, b: Sequence): boolean {
  if (a.request.priority !== b.request.priority) return a.request.priority > b.request.priority;
  if (a.arrival !== b.arrival) return a.arrival < b.arrival;
  return a.index < b.index;
}
