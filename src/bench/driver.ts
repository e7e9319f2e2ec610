// Turns an engine in the caller's thread, by a clock of its own that advances by what each step took: several engines can
// be measured in turn, none of them aging meanwhile, and idle time between arrivals costs nothing.
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';
import type { StepTimes } from '../engine/messages.ts';
import type { BenchEngine } from './loaded-scheme.ts';

/** One request and when its tokens came, in seconds of the driver's clock. */
export interface Job {
  readonly id: number;
  readonly promptTokens: number;
  readonly arrivedAt: number;
  readonly tokenTimes: number[];
  finished: boolean;
}

export interface StepLog {
  /** Seconds of the driver's clock at the step's end. */
  readonly end: number;
  readonly seconds: number;
  /** Tokens sampled. */
  readonly tokens: number;
  /** Sequences that ran, and that waited, after the step. */
  readonly running: number;
  readonly waiting: number;
  readonly cacheShare: number;
  /** Milliseconds; `send` is handing the step's message to another thread. */
  readonly times: StepTimes & { readonly send: number };
}

export class Driver implements Disposable {
  readonly engine: BenchEngine;
  readonly jobs: Job[] = [];
  readonly steps: StepLog[] = [];
  /** Requests that have not ended. */
  readonly #open = new Map<number, Job>();
  readonly #channel = new MessageChannel();
  #now = 0;

  /** Takes over the engine's core. */
  constructor(engine: BenchEngine) {
    this.engine = engine;
  }

  /** Seconds that this engine has worked, or was told to have waited. */
  get now(): number {
    return this.#now;
  }

  get numOpen(): number {
    return this.#open.size;
  }

  /** Requests whose first token is still to come. */
  get numStarting(): number {
    return [...this.#open.values()].filter(({ tokenTimes }) => tokenTimes.length === 0).length;
  }

  /** Nobody asks for anything until then. */
  waitUntil(time: number): void {
    this.#now = Math.max(this.#now, time);
  }

  /** A greedy request for exactly so many tokens. */
  add({ prompt, answer, arrivedAt = this.#now }: AddOptions): Job {
    const id = this.jobs.length + 1;
    const job = { id, promptTokens: prompt.length, arrivedAt, tokenTimes: [], finished: false };
    this.jobs.push(job);
    this.#open.set(id, job);
    this.engine.core.add({
      id,
      prompt,
      n: 1,
      maxTokens: answer,
      minTokens: 0,
      priority: 0,
      stopTokenIds: [],
      sampling: { temperature: 0 },
    });
    return job;
  }

  /** One step of the engine. Throws what failed a request. */
  step(): void {
    const begin = performance.now();
    const message = this.engine.core.step();
    const stepped = performance.now();
    this.#channel.port1.postMessage(message);
    const send = performance.now() - stepped;
    receiveMessageOnPort(this.#channel.port2);
    const [failure] = message.failures;
    if (failure) throw new Error(`request ${failure.requestId} failed: ${failure.error.message}`);
    if (!message.times) return;

    const seconds = (stepped - begin + send) / 1000;
    this.#now += seconds;
    for (const id of message.requestIds) this.#open.get(id)!.tokenTimes.push(this.#now);
    for (const { requestId } of message.finished) {
      this.#open.get(requestId)!.finished = true;
      this.#open.delete(requestId);
    }
    const { running, waiting, kvBlocksUsed, kvBlocksTotal } = message.stats;
    this.steps.push({
      end: this.#now,
      seconds,
      tokens: message.tokenIds.length,
      running,
      waiting,
      cacheShare: kvBlocksUsed / kvBlocksTotal,
      times: { ...message.times, send },
    });
  }

  get preemptions(): number {
    return this.engine.core.stats().preemptions;
  }

  [Symbol.dispose](): void {
    this.#channel.port1.close();
    this.engine.core[Symbol.dispose]();
  }
}

export interface AddOptions {
  readonly prompt: Int32Array;
  readonly answer: number;
  /** Before now, when it arrived during the last step. */
  readonly arrivedAt?: number;
}
