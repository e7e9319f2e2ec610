// The times of one request as its client sees them: to the first token, between tokens, to the end. It feeds the metrics
// and the request's line in the log.
import type { FinishEvent } from '../../engine/engine-types.ts';

export interface CompletedRequest {
  readonly seconds: number;
  /** Tokens of the longest of its answers. */
  readonly longestAnswer: number;
}

export interface TimingObserver {
  firstToken(seconds: number): void;
  nextToken(seconds: number): void;
  /** One answer has ended. */
  answered(event: FinishEvent): void;
  /** All have, and the last byte is handed over. */
  completed(request: CompletedRequest): void;
}

export class RequestTimer {
  readonly #observers: readonly TimingObserver[];
  readonly #start = performance.now();
  readonly #lastTokenAt: (number | undefined)[] = [];
  #firstTokenAt: number | undefined;
  #longestAnswer = 0;

  constructor(observers: readonly TimingObserver[]) {
    this.#observers = observers;
  }

  get seconds(): number {
    return (performance.now() - this.#start) / 1000;
  }

  /** Seconds to the first token of any answer; undefined before. */
  get toFirstToken(): number | undefined {
    return this.#firstTokenAt === undefined ? undefined : (this.#firstTokenAt - this.#start) / 1000;
  }

  token(choice: number): void {
    const now = performance.now();
    const last = this.#lastTokenAt[choice];
    this.#lastTokenAt[choice] = now;
    if (last !== undefined) {
      for (const observer of this.#observers) observer.nextToken((now - last) / 1000);
    } else if (this.#firstTokenAt === undefined) {
      this.#firstTokenAt = now;
      for (const observer of this.#observers) observer.firstToken((now - this.#start) / 1000);
    }
  }

  answered(event: FinishEvent): void {
    this.#longestAnswer = Math.max(this.#longestAnswer, event.usage.completionTokens);
    for (const observer of this.#observers) observer.answered(event);
  }

  completed(): void {
    const completed = { seconds: this.seconds, longestAnswer: this.#longestAnswer };
    for (const observer of this.#observers) observer.completed(completed);
  }
}
