// The measurements of the figure of Atom's paper (Zhao et al., 2024, figure 11): throughput and latency of every scheme
// against the batch, and what each serves in the same memory. All schemes are loaded, and measured in turn.
import type { LoadedScheme } from './loaded-scheme.ts';
import { latencyAt } from './memory-sweep.ts';
import { plainScheme } from './schemes.ts';
import type { SequenceShape, SteadyLoop } from './steady-loop.ts';
import { type BatchPoint, Loops, measureInTurn, type TurnOptions } from './turns.ts';

export interface MeasureOptions extends TurnOptions {
  readonly shape: SequenceShape;
  /** Ascending. */
  readonly batches: readonly number[];
  /** Bytes that all schemes have for weights and cache together; without it only the curve is measured. */
  readonly memory?: number | undefined;
  readonly onPoint?: (point: BatchPoint) => void;
}

/** A scheme in the memory that all have. */
export interface MemoryPoint extends BatchPoint {
  /** Sequences that its cache holds; `batch` is less where fewer were asked for. */
  readonly fits: number;
}

export interface InMemory {
  readonly memory: number;
  /** As many sequences as fit, up to the largest batch; nothing of a scheme whose weights do not fit. */
  readonly points: readonly MemoryPoint[];
  /**
   * The 16-bit model with all that fit, and of the others so many sequences that their tokens come as quickly, by the
   * curve's 90th percentile; absent where the 16-bit model is not measured or does not fit.
   */
  readonly asQuick?: readonly MemoryPoint[];
}

export interface Measured {
  /** Points of one batch next to each other. */
  readonly curve: readonly BatchPoint[];
  readonly inMemory?: InMemory;
}

/** Below the latency that must not be passed, so that a run's own noise does not pass it. */
const margin = 0.96;

/** Throws `out-of-memory` where the caches together do not fit this machine. */
export function measureSchemes(loaded: readonly LoadedScheme[], options: MeasureOptions): Measured {
  const { batches, shape, memory } = options;
  const most = batches.at(-1)!;
  using loops = new Loops(shape);
  const largest = new Map(loaded.map((scheme) => [scheme, loops.start(scheme, most)]));
  const curve = batches.flatMap((batch) => {
    const points = measureInTurn(
      loaded.map((scheme) => ({ loop: largest.get(scheme)!, batch })),
      options,
    );
    for (const point of points) options.onPoint?.(point);
    return points;
  });
  if (memory === undefined) return { curve };

  const fitting = loaded
    .map((scheme) => ({ scheme, fits: scheme.sequencesIn(memory, shape.prompt + shape.answer) }))
    .filter(({ fits }) => fits > 0);
  const measure = (entries: readonly Entry[]) =>
    measureInTurn(entries, options).map((point, i) => ({ ...point, fits: entries[i]!.fits }));
  // A loop of the largest batch is the same engine in every memory that holds it, and is full already.
  const full = fitting.map(
    ({ scheme, fits }): Entry => ({
      ...{ scheme, fits, batch: Math.min(fits, most) },
      loop: fits >= most ? largest.get(scheme)! : loops.start(scheme, fits),
    }),
  );
  const points = measure(full);
  const plain = full.find(({ scheme }) => scheme.name === plainScheme.name);
  const limit = points.find(({ scheme }) => scheme === plainScheme.name)?.betweenTokens.p90;
  if (!plain || limit === undefined) return { curve, inMemory: { memory, points } };
  const quick = full.flatMap((entry): Entry[] => {
    if (entry === plain) return [plain];
    const own = curve.filter(({ scheme }) => scheme === entry.scheme.name);
    const batch = quickBatch(own, { most: entry.batch, limit: margin * limit });
    if (batch === 0 || batch === entry.batch) return batch === 0 ? [] : [entry];
    return [{ ...entry, batch, loop: loops.start(entry.scheme, batch) }];
  });
  return { curve, inMemory: { memory, points, asQuick: measure(quick) } };
}

interface Entry {
  readonly scheme: LoadedScheme;
  readonly fits: number;
  readonly batch: number;
  readonly loop: SteadyLoop;
}

/** The most sequences, up to `most`, of which nine tokens of ten come within `limit` seconds; 0 for none. */
export function quickBatch(
  curve: readonly BatchPoint[],
  { most, limit }: { most: number; limit: number },
): number {
  let batch = most;
  while (batch > 0 && latencyAt(curve, batch) > limit) batch--;
  return batch;
}
