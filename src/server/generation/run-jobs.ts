// Runs the prompts of one request side by side on the engine and hands every event on, in each prompt's order. If one
// fails or the signal fires, all end. It knows neither API nor socket.
import { setMaxListeners } from 'node:events';
import type { GenerateEvent, ServingEngine } from '../../engine/engine-types.ts';
import type { Job } from './answer.ts';
import type { RequestTimer } from './request-timer.ts';
import type { UsageCounter } from './usage.ts';

export interface RunOptions {
  readonly engine: ServingEngine;
  readonly jobs: readonly Job[];
  /** Aborted with its reason when a job fails; may be aborted by the caller. */
  readonly controller: AbortController;
  readonly timer: RequestTimer;
  readonly usage: UsageCounter;
  /** What it returns is awaited before the prompt's next event. */
  readonly onEvent: (job: Job, event: GenerateEvent) => Promise<void> | undefined;
}

/** Resolves when all have ended. Throws the signal's reason where it fired, else the first failure. */
export async function runJobs(options: RunOptions): Promise<void> {
  const { controller, jobs } = options;
  setMaxListeners(0, controller.signal);
  const runs = jobs.map((job) => runJob(job, options));
  try {
    await Promise.all(runs);
  } catch (error) {
    const reason: unknown = controller.signal.aborted ? controller.signal.reason : error;
    controller.abort(reason);
    // The others end by the signal; their failures say nothing new.
    await Promise.allSettled(runs);
    throw reason;
  }
}

async function runJob(job: Job, { engine, controller, timer, usage, onEvent }: RunOptions): Promise<void> {
  usage.addPrompt(job.request.prompt.length);
  for await (const event of engine.generate(job.request, { signal: controller.signal })) {
    if (event.type === 'token') {
      usage.addToken();
      timer.token(job.firstChoice + event.index);
    } else if (event.type === 'finish') {
      if (event.index === 0) usage.addCached(event.usage);
      timer.answered(event);
    }
    const waiting = onEvent(job, event);
    if (waiting !== undefined) await waiting;
  }
  // An engine that ends quietly after an abort must not pass for a finished answer.
  controller.signal.throwIfAborted();
}
