// Steady loops that are measured in turn, a few seconds each, so that a machine that drifts drifts for all alike.
import { availableMemory } from 'node:process';
import { AtomError } from '../errors.ts';
import type { LoadedScheme } from './loaded-scheme.ts';
import { type SequenceShape, SteadyLoop } from './steady-loop.ts';
import { type Summary, summarize } from './summary.ts';
import { Workload } from './workload.ts';

export interface TurnOptions {
  /** Seconds measured per loop. */
  readonly seconds: number;
  /** Turns that these are divided into. */
  readonly rounds: number;
}

/** One scheme with so many sequences always running. */
export interface BatchPoint
  extends Pick<Summary, 'tokensPerSecond' | 'betweenTokens' | 'breakdown' | 'steps'> {
  readonly scheme: string;
  /** Sequences that run or wait for room. */
  readonly batch: number;
  /** Those that ran, on average: all of them, unless memory is short. */
  readonly running: number;
}

/** Loops over sequences of one shape, each with a cache of its own; all end together. */
export class Loops implements Disposable {
  readonly #shape: SequenceShape;
  readonly #workload = new Workload();
  /** With the bytes of their caches. */
  readonly #loops = new Map<SteadyLoop, number>();
  // Caches are not touched before they are filled, so what is promised is counted here.
  readonly #available = availableMemory();
  #promised = 0;

  constructor(shape: SequenceShape) {
    this.#shape = shape;
  }

  /** A loop whose cache holds so many sequences and no more. Throws `out-of-memory` where this machine has not the room. */
  start(scheme: LoadedScheme, sequences: number): SteadyLoop {
    const cache = sequences * scheme.sequenceBytes(this.#shape.prompt + this.#shape.answer);
    this.#promised += cache;
    if (this.#promised > this.#available) {
      throw new AtomError(
        'out-of-memory',
        `with ${sequences} sequences of ${scheme.name} the caches need ${this.#promised} bytes together, and ${this.#available} are free; measure smaller --batches, or fewer --schemes`,
      );
    }
    const engine = scheme.engineIn(scheme.weightBytes + cache);
    const loop = new SteadyLoop(engine, { shape: this.#shape, workload: this.#workload });
    this.#loops.set(loop, cache);
    return loop;
  }

  /** Ends one before the others, and gives its cache back. */
  end(loop: SteadyLoop): void {
    this.#promised -= this.#loops.get(loop) ?? 0;
    this.#loops.delete(loop);
    loop[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    for (const loop of this.#loops.keys()) loop[Symbol.dispose]();
  }
}

/** One point for each loop, `batch` sequences running in it. */
export function measureInTurn(
  entries: readonly { readonly loop: SteadyLoop; readonly batch: number }[],
  { seconds, rounds }: TurnOptions,
): BatchPoint[] {
  for (const { loop, batch } of entries) loop.fill(batch);
  const begins = entries.map(({ loop }) => loop.driver.now);
  for (let round = 0; round < rounds; round++)
    for (const { loop, batch } of entries) loop.run(batch, seconds / rounds);
  return entries.map(({ loop: { driver }, batch }, i) => {
    const summary = summarize(driver, begins[i]!, driver.now);
    const { tokensPerSecond, betweenTokens, breakdown, steps } = summary;
    return {
      scheme: driver.engine.name,
      batch,
      running: summary.batch.mean,
      tokensPerSecond,
      betweenTokens,
      breakdown,
      steps,
    };
  });
}
