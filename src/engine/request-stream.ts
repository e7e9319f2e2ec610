// One request on the callers' side: what the worker says of it becomes events in order, waiting until they are read.
import { AtomError } from '../errors.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { AnswerText } from './answer-text.ts';
import type { FinishEvent, GenerateEvent, GenerateRequest, TokenLogprob } from './engine-types.ts';
import type { StartedAnswer } from './messages.ts';
import type { EngineRequest } from './request.ts';

interface Answer {
  readonly text: AnswerText;
  started?: StartedAnswer;
  firstTokenAt?: number;
  ended: boolean;
}

export class RequestStream {
  readonly request: EngineRequest;
  readonly #answers: readonly Answer[];
  readonly #stopAnswer: (index: number) => void;
  #open: number;
  #events: GenerateEvent[] = [];
  #failure: unknown;
  #wake: (() => void) | undefined;

  /** `stopAnswer` is told of an answer that text has ended, so that nobody computes it further. */
  constructor({
    request,
    asked,
    tokenizer,
    stopAnswer,
  }: {
    request: EngineRequest;
    asked: GenerateRequest;
    tokenizer: Tokenizer;
    stopAnswer: (index: number) => void;
  }) {
    this.request = request;
    this.#answers = Array.from({ length: request.n }, () => ({
      text: new AnswerText(tokenizer, asked, request.stopTokenIds),
      ended: false,
    }));
    this.#open = request.n;
    this.#stopAnswer = stopAnswer;
  }

  /** Whether all answers have ended or the request has failed. */
  get ended(): boolean {
    return this.#open === 0 || this.#failure !== undefined;
  }

  started(answer: StartedAnswer): void {
    this.#answers[answer.index]!.started = answer;
  }

  token(index: number, tokenId: number, scores: TokenLogprob | undefined): void {
    const answer = this.#answers[index]!;
    if (answer.ended) return;
    answer.firstTokenAt ??= performance.now();
    const { text, stopped } = answer.text.push(tokenId);
    const { logprob, topLogprobs } = scores ?? {};
    this.#tell({
      type: 'token',
      index,
      tokenId,
      text,
      ...(logprob !== undefined && { logprob }),
      ...(topLogprobs && { topLogprobs }),
    });
    if (!stopped) return;
    this.#stopAnswer(index);
    this.#finish(index, 'stop', '');
  }

  promptScores(logprobs: readonly (TokenLogprob | null)[]): void {
    this.#tell({ type: 'prompt-logprobs', logprobs });
  }

  finished(index: number, reason: FinishEvent['reason']): void {
    const answer = this.#answers[index]!;
    if (answer.ended) return;
    const { text, stopped } = answer.text.flush();
    this.#finish(index, stopped ? 'stop' : reason, text);
  }

  /** Nothing more comes; readers get `error` after what there is. */
  fail(error: unknown): void {
    if (this.ended) return;
    this.#failure = error;
    this.#wake?.();
  }

  /** Events in order until all answers have ended. Throws what the request failed with, `cancelled` at once on abort. */
  async *read(signal?: AbortSignal): AsyncGenerator<GenerateEvent> {
    const wake = () => this.#wake?.();
    signal?.addEventListener('abort', wake);
    try {
      for (;;) {
        const events = this.#events;
        this.#events = [];
        for (const event of events) {
          throwIfAborted(signal);
          yield event;
        }
        throwIfAborted(signal);
        if (this.#events.length > 0) continue;
        if (this.#failure !== undefined) throw this.#failure;
        if (this.ended) return;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = undefined;
      }
    } finally {
      signal?.removeEventListener('abort', wake);
    }
  }

  #tell(event: GenerateEvent): void {
    this.#events.push(event);
    this.#wake?.();
  }

  #finish(index: number, reason: FinishEvent['reason'], text: string): void {
    const answer = this.#answers[index]!;
    answer.ended = true;
    this.#open--;
    const { cachedTokens = 0, queueSeconds = 0, prefillSeconds = 0 } = answer.started ?? {};
    const now = performance.now();
    this.#tell({
      type: 'finish',
      index,
      reason,
      text,
      usage: {
        promptTokens: this.request.prompt.length,
        completionTokens: answer.text.tokens,
        cachedTokens,
        queueSeconds,
        prefillSeconds,
        decodeSeconds: (now - (answer.firstTokenAt ?? now)) / 1000,
      },
    });
  }
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted)
    throw new AtomError('cancelled', 'the request was cancelled', { cause: signal.reason });
}
