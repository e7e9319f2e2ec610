// Engines that always run so many sequences of one length, each of them somewhere else in its answer: whoever ends is
// followed by a new one, so that prompts and answers stay in proportion. Several are measured in turn.
import { Driver } from './driver.ts';
import type { BenchEngine } from './loaded-scheme.ts';
import type { Workload } from './workload.ts';

export interface SequenceShape {
  /** Tokens of a prompt, and of its answer. */
  readonly prompt: number;
  readonly answer: number;
}

/** Multiples of it, cut to [0, 1), fill the interval evenly however many there are. */
const goldenRatio = (Math.sqrt(5) - 1) / 2;

export class SteadyLoop implements Disposable {
  readonly driver: Driver;
  readonly #shape: SequenceShape;
  readonly #workload: Workload;

  /** Takes over the engine's core. */
  constructor(engine: BenchEngine, { shape, workload }: { shape: SequenceShape; workload: Workload }) {
    this.driver = new Driver(engine);
    this.#shape = shape;
    this.#workload = workload;
  }

  /**
   * Sequences join until `count` are there, as if they had done part of their answers already: in steady state from the
   * start. Returns when all have begun, or the cache holds no more of them.
   */
  fill(count: number): void {
    const { driver } = this;
    const { prompt, answer } = this.#shape;
    while (driver.numOpen < count) {
      const done = Math.floor(((driver.jobs.length * goldenRatio) % 1) * (answer - 1));
      this.#add(prompt + done, answer - done);
    }
    for (let left = driver.numStarting; left > 0; ) {
      // Nobody's prompt is under way, and still nobody was let in.
      const wasFull = driver.steps.at(-1)?.waiting === left;
      this.#step(count);
      const before = left;
      left = driver.numStarting;
      if (wasFull && left >= before && driver.steps.at(-1)!.waiting === left) return;
    }
  }

  /** At least one step with `count` sequences, and for at least so long. */
  run(count: number, seconds: number): void {
    const end = this.driver.now + seconds;
    do this.#step(count);
    while (this.driver.now < end);
  }

  #step(count: number): void {
    while (this.driver.numOpen < count) this.#add(this.#shape.prompt, this.#shape.answer);
    this.driver.step();
  }

  #add(prompt: number, answer: number): void {
    const { vocabSize } = this.driver.engine;
    const tokens = this.#workload.tokens(this.driver.jobs.length, { count: prompt, vocabSize });
    this.driver.add({ prompt: tokens, answer });
  }

  [Symbol.dispose](): void {
    this.driver[Symbol.dispose]();
  }
}
