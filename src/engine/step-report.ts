// Gathers what one step brings into the one message that leaves the worker.
import { AtomError, reasonOf } from '../errors.ts';
import type { EngineStats, TokenLogprob } from './engine-types.ts';
import type {
  ErrorMessage,
  FailedRequest,
  FinishedAnswer,
  PromptScores,
  StartedAnswer,
  StepMessage,
  StepTimes,
} from './messages.ts';
import type { StepResults } from './runner.ts';
import type { Sequence } from './sequence.ts';

export class StepReport implements StepResults {
  readonly #requestIds: number[] = [];
  readonly #indexes: number[] = [];
  readonly #tokenIds: number[] = [];
  #scores: (TokenLogprob | undefined)[] | undefined;
  #promptScores: PromptScores[] = [];
  #started: StartedAnswer[] = [];
  #finished: FinishedAnswer[] = [];
  #failures: FailedRequest[] = [];

  token(sequence: Sequence, tokenId: number, scores: TokenLogprob | undefined): void {
    if (sequence.generated === 1) this.start(sequence);
    if (scores) {
      this.#scores ??= [];
      this.#scores[this.#tokenIds.length] = scores;
    }
    this.#requestIds.push(sequence.request.id);
    this.#indexes.push(sequence.index);
    this.#tokenIds.push(tokenId);
  }

  promptScores({ request }: Sequence, scores: readonly (TokenLogprob | null)[]): void {
    this.#promptScores.push({ requestId: request.id, scores });
  }

  failed({ request }: Sequence, error: unknown): void {
    this.fail(request.id, error);
  }

  /** The sequence's prompt has been run. */
  start({ request, index, cachedTokens = 0, arrivedAt, startedAt = arrivedAt }: Sequence): void {
    this.#started.push({
      requestId: request.id,
      index,
      cachedTokens,
      queueSeconds: (startedAt - arrivedAt) / 1000,
      prefillSeconds: (performance.now() - startedAt) / 1000,
    });
  }

  finish({ request, index, finish }: Sequence): void {
    if (finish !== undefined) this.#finished.push({ requestId: request.id, index, reason: finish });
  }

  fail(requestId: number, error: unknown): void {
    if (this.#failures.some((failure) => failure.requestId === requestId)) return;
    this.#failures.push({ requestId, error: errorMessage(error) });
  }

  get numTokens(): number {
    return this.#tokenIds.length;
  }

  get failures(): readonly FailedRequest[] {
    return this.#failures;
  }

  /** The message, and an empty report for the next step. */
  take(stats: EngineStats, times?: StepTimes): StepMessage {
    const message: StepMessage = {
      type: 'step',
      requestIds: Int32Array.from(this.#requestIds),
      indexes: Int32Array.from(this.#indexes),
      tokenIds: Int32Array.from(this.#tokenIds),
      ...(this.#scores && { scores: this.#scores }),
      promptScores: this.#promptScores,
      started: this.#started,
      finished: this.#finished,
      failures: this.#failures,
      stats,
      ...(times && { times }),
    };
    this.#requestIds.length = this.#indexes.length = this.#tokenIds.length = 0;
    this.#scores = undefined;
    this.#promptScores = [];
    this.#started = [];
    this.#finished = [];
    this.#failures = [];
    return message;
  }
}

export function errorMessage(error: unknown): ErrorMessage {
  return { code: error instanceof AtomError ? error.code : 'internal', message: reasonOf(error) };
}
