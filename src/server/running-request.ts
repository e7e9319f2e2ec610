// A request while the engine works for it: the one signal that ends it, whoever wants it ended (a client that leaves, the
// time limit, a shutdown), and what its metrics and its log line need.
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ServingEngine } from '../engine/engine-types.ts';
import { AtomError, reasonOf } from '../errors.ts';
import type { ServerContext } from './context.ts';
import type { Job } from './generation/answer.ts';
import { RequestTimer } from './generation/request-timer.ts';
import { type RunOptions, runJobs } from './generation/run-jobs.ts';
import { UsageCounter } from './generation/usage.ts';
import type { AbortReason } from './metrics.ts';

export class RunningRequest implements Disposable {
  readonly controller = new AbortController();
  readonly timer: RequestTimer;
  readonly usage = new UsageCounter();
  readonly #context: ServerContext;
  readonly #request: FastifyRequest;
  readonly #reply: FastifyReply;
  readonly #timeout: NodeJS.Timeout;
  /** By answer, where the operator wants answers in the log. */
  readonly #texts: string[] | undefined;
  #failure: unknown;

  constructor(context: ServerContext, request: FastifyRequest, reply: FastifyReply) {
    const { metrics, liveStats, running, options } = context;
    this.#context = context;
    this.#request = request;
    this.#reply = reply;
    this.#texts = options.logPrompts ? [] : undefined;
    this.timer = new RequestTimer([metrics, liveStats]);
    this.#timeout = setTimeout(() => {
      const message = `the request took longer than the ${options.requestTimeout} s this server allows`;
      this.controller.abort(new AtomError('timeout', message));
    }, options.requestTimeout * 1000);
    running.add(this.controller);
    reply.raw.once('close', this.#onClose);
    // It may have left while the prompt was encoded.
    if (reply.raw.destroyed) this.#onClose();
  }

  get clientLeft(): boolean {
    return this.#reply.raw.destroyed;
  }

  /** Runs `jobs` to their end; see `runJobs`. */
  async run(engine: ServingEngine, jobs: readonly Job[], onEvent: RunOptions['onEvent']): Promise<void> {
    const { controller, timer, usage } = this;
    const texts = this.#texts;
    const onLoggedEvent: RunOptions['onEvent'] = (job, event) => {
      if (texts !== undefined && event.type !== 'prompt-logprobs') {
        const choice = job.firstChoice + event.index;
        texts[choice] = (texts[choice] ?? '') + event.text;
      }
      return onEvent(job, event);
    };
    try {
      await runJobs({ engine, jobs, controller, timer, usage, onEvent: texts ? onLoggedEvent : onEvent });
      timer.completed();
    } catch (error) {
      this.#failure = error;
      this.#context.metrics.aborted(abortReason(error));
      throw error;
    }
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timeout);
    this.#reply.raw.off('close', this.#onClose);
    this.#context.running.delete(this.controller);
    const { prompt_tokens, completion_tokens, prompt_tokens_details } = this.usage.value;
    const { toFirstToken, seconds } = this.timer;
    this.#request.log.info(
      {
        promptTokens: prompt_tokens,
        cachedTokens: prompt_tokens_details.cached_tokens,
        completionTokens: completion_tokens,
        ...(toFirstToken !== undefined && { firstTokenMs: Math.round(toFirstToken * 1000) }),
        ms: Math.round(seconds * 1000),
        ...(this.#texts !== undefined && { texts: this.#texts }),
        ...(this.#failure !== undefined && { reason: reasonOf(this.#failure) }),
      },
      this.#failure === undefined ? 'answered' : 'aborted',
    );
  }

  readonly #onClose = () => {
    this.controller.abort(new AtomError('cancelled', 'the client closed the connection'));
  };
}

function abortReason(error: unknown): AbortReason {
  if (!(error instanceof AtomError)) return 'failure';
  const { code, status } = error;
  if (code === 'cancelled') return 'disconnect';
  if (code === 'timeout') return 'timeout';
  if (code === 'closed') return 'shutdown';
  // A grammar that cannot be, for example.
  return status < 500 ? 'refused' : 'failure';
}
