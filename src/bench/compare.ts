// The measurements of the figure of Atom's paper (Zhao et al., 2024, figure 11): throughput and latency of every scheme
// against the batch, and what each serves in the same memory. All schemes are loaded, and measured in turn.
import type { LoadedScheme } from './loaded-scheme.ts';
import { quickBatch } from './memory-sweep.ts';
import { plainScheme } from './schemes.ts';
import type { SequenceShape, SteadyLoop } from './steady-loop.ts';
import { type BatchPoint, Loops, measureInTurn, type TurnOptions } from './turns.ts';

export interface MeasureOptions extends TurnOptions {
  readonly shape: SequenceShape;
  /** Ascending. */
  readonly batches: readonly number[];
  /** Bytes that all schemes have for weights and cache together; without it only the curve is measured. */
  readonly memory?: number | undefined;
  /** Of each scheme no more sequences than that memory holds, so that no cache is made that would not be compared. */
  readonly fitting?: boolean;
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
  const { batches, shape, memory, fitting = false } = options;
  const most = batches.at(-1)!;
  using loops = new Loops(shape);
  const entries = loaded.map((scheme): Room => {
    const fits = memory === undefined ? most : scheme.sequencesIn(memory, shape.prompt + shape.answer);
    return { scheme, fits, limit: fitting ? Math.min(fits, most) : most };
  });
  const largest = new Map(
    entries
      .filter(({ limit }) => limit > 0)
      .map(({ scheme, limit }) => [scheme, loops.start(scheme, limit)] as const),
  );
  const curve = batches.flatMap((batch) => {
    const measured = entries.filter(({ limit }) => limit >= batch);
    const points = measureInTurn(
      measured.map(({ scheme }) => ({ loop: largest.get(scheme)!, batch })),
      options,
    );
    for (const point of points) options.onPoint?.(point);
    return points;
  });
  if (memory === undefined) return { curve };

  const measure = (some: readonly Entry[]) =>
    measureInTurn(some, options).map((point, i) => ({ ...point, fits: some[i]!.fits }));
  // The loop of the curve is the same engine in a memory that holds as many, and is full already.
  const full = entries
    .filter(({ fits }) => fits > 0)
    .map(({ scheme, fits, limit }): Entry => {
      const batch = Math.min(fits, most);
      return {
        scheme,
        fits,
        batch,
        loop: limit === batch ? largest.get(scheme)! : loops.start(scheme, fits),
      };
    });
  const points = measure(full);
  const plain = full.find(({ scheme }) => scheme.name === plainScheme.name);
  const limit = points.find(({ scheme }) => scheme === plainScheme.name)?.betweenTokens.p90;
  if (!plain || limit === undefined) return { curve, inMemory: { memory, points } };
  const quick = full.flatMap((entry): Entry[] => {
    if (entry === plain) return [plain];
    const own = curve.filter(({ scheme }) => scheme === entry.scheme.name);
    const batch = quickBatch(own, { most: entry.batch, limit: margin * limit });
    return batch === 0 ? [] : [withBatch(entry, batch, loops)];
  });
  return { curve, inMemory: { memory, points, asQuick: quickEnough(quick, plain, { measure, loops }) } };
}

/** Times that a scheme whose tokens came too late may try with fewer sequences. */
const retries = 2;

/** Latencies between measured batches are guesses: who turns out slower than `plain` tries again with fewer sequences. */
function quickEnough(
  first: readonly Entry[],
  plain: Entry,
  { measure, loops }: { measure: (entries: readonly Entry[]) => MemoryPoint[]; loops: Loops },
): MemoryPoint[] {
  const yardstick = first.indexOf(plain);
  const entries = [...first];
  const points = measure(entries);
  for (let attempt = 0; attempt < retries; attempt++) {
    const limit = points[yardstick]!.betweenTokens.p90;
    const late = [...entries.keys()].filter(
      (i) => points[i]!.betweenTokens.p90 > limit && entries[i]!.batch > 1,
    );
    if (late.length === 0) break;
    for (const i of late) entries[i] = withBatch(entries[i]!, Math.floor(entries[i]!.batch * 0.8), loops);
    // In turn with the yardstick, as before.
    const again = [yardstick, ...late];
    for (const [place, point] of measure(again.map((i) => entries[i]!)).entries())
      points[again[place]!] = point;
  }
  return points;
}

/** In a loop that holds no more; the one before is not needed again. */
function withBatch(entry: Entry, batch: number, loops: Loops): Entry {
  if (batch === entry.batch) return entry;
  loops.end(entry.loop);
  return { ...entry, batch, loop: loops.start(entry.scheme, batch) };
}

interface Room {
  readonly scheme: LoadedScheme;
  /** Sequences that the memory holds. */
  readonly fits: number;
  /** Sequences that are measured at most. */
  readonly limit: number;
}

interface Entry {
  readonly scheme: LoadedScheme;
  readonly fits: number;
  readonly batch: number;
  readonly loop: SteadyLoop;
}
