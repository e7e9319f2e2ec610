// The measurements of the figure of Atom's paper (Zhao et al., 2024, figure 11): throughput and latency of every scheme
// against the batch, and what each serves in the same memory. All schemes are loaded, and measured in turn, a few seconds
// each, so that a machine that drifts drifts for all alike.
import { availableMemory } from 'node:process';
import { AtomError } from '../errors.ts';
import type { LoadedScheme } from './loaded-scheme.ts';
import { type SequenceShape, SteadyLoop } from './steady-loop.ts';
import { type Summary, summarize } from './summary.ts';
import { Workload } from './workload.ts';

export interface TurnOptions {
  readonly shape: SequenceShape;
  /** Seconds measured per scheme and batch. */
  readonly seconds: number;
  /** Turns that these are divided into. */
  readonly rounds: number;
}

export interface CompareOptions extends TurnOptions {
  /** Ascending. */
  readonly batches: readonly number[];
  readonly onPoint?: (point: BatchPoint) => void;
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

/** A scheme in the memory that all have. */
export interface MemoryPoint extends BatchPoint {
  /** Sequences that its cache holds; `batch` is less where the engine runs no more together. */
  readonly fits: number;
}

/** Points of one batch next to each other. Throws `out-of-memory` where the caches together do not fit this machine. */
export function compareBatches(loaded: readonly LoadedScheme[], options: CompareOptions): BatchPoint[] {
  const most = options.batches.at(-1)!;
  const tokens = options.shape.prompt + options.shape.answer;
  // Whoever is let in must find a free block for each that runs already.
  using turns = new Turns(
    loaded.map((scheme) => ({ scheme, cache: most * (scheme.sequenceBytes(tokens) + scheme.blockBytes) })),
    options.shape,
  );
  return options.batches.flatMap((batch) =>
    turns.measure(
      loaded.map(() => batch),
      options,
    ),
  );
}

/** What every scheme serves when weights and cache together take `memory` bytes; nothing of one that does not fit. */
export function compareInMemory(
  loaded: readonly LoadedScheme[],
  { memory, shape, seconds, rounds }: TurnOptions & { memory: number },
): MemoryPoint[] {
  const { prompt, answer } = shape;
  const fitting = loaded
    .map((scheme) => ({ scheme, fits: scheme.sequencesIn(memory, prompt + answer) }))
    .filter(({ fits }) => fits > 0)
    .map(({ scheme, fits }) => {
      const most = scheme.maxBatch * (scheme.sequenceBytes(prompt + answer) + scheme.blockBytes);
      const cache = Math.min(memory - scheme.weightBytes, most);
      return { scheme, fits, sequences: Math.min(fits, scheme.maxBatch), cache };
    });
  using turns = new Turns(fitting, shape);
  const points = turns.measure(
    fitting.map(({ sequences }) => sequences),
    { seconds, rounds },
  );
  return points.map((point, i) => ({ ...point, fits: fitting[i]!.fits }));
}

/** Steady loops that are measured in turn. */
class Turns implements Disposable {
  readonly #loops: readonly SteadyLoop[];

  /** Each scheme with the bytes of its cache. */
  constructor(
    entries: readonly { readonly scheme: LoadedScheme; readonly cache: number }[],
    shape: SequenceShape,
  ) {
    const needed = entries.reduce((sum, { cache }) => sum + cache, 0);
    if (needed > availableMemory()) {
      throw new AtomError(
        'out-of-memory',
        `the caches of all schemes need ${needed} bytes together, and ${availableMemory()} are free; measure smaller --batches, or fewer --schemes`,
      );
    }
    const workload = new Workload();
    this.#loops = entries.map(({ scheme, cache }) => {
      return new SteadyLoop(scheme.engineIn(scheme.weightBytes + cache), { shape, workload });
    });
  }

  /** `batches[i]` sequences of loop i. */
  measure(
    batches: readonly number[],
    { seconds, rounds, onPoint }: Omit<CompareOptions, 'shape' | 'batches'>,
  ): BatchPoint[] {
    for (const [i, loop] of this.#loops.entries()) loop.fill(batches[i]!);
    const begins = this.#loops.map(({ driver }) => driver.now);
    for (let round = 0; round < rounds; round++) {
      for (const [i, loop] of this.#loops.entries()) loop.run(batches[i]!, seconds / rounds);
    }
    return this.#loops.map(({ driver }, i) => {
      const { batch, tokensPerSecond, betweenTokens, breakdown, steps } = summarize(
        driver,
        begins[i]!,
        driver.now,
      );
      const point = {
        scheme: driver.engine.name,
        batch: batches[i]!,
        running: batch.mean,
        tokensPerSecond,
        betweenTokens,
        breakdown,
        steps,
      };
      onPoint?.(point);
      return point;
    });
  }

  [Symbol.dispose](): void {
    for (const loop of this.#loops) loop[Symbol.dispose]();
  }
}
