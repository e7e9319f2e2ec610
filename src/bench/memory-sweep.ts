// Throughput over the memory that is given, from measured throughput over the batch: how many sequences fit says the
// arithmetic, what they reach together the curve. And the memory at which the paper's ratios are passed.
// Pure arithmetic on measurements.
import type { BatchPoint } from './turns.ts';

/** What a scheme needs. */
export interface MemoryNeed {
  readonly scheme: string;
  readonly weightBytes: number;
  readonly sequenceBytes: number;
}

export interface SweptMemory {
  readonly memory: number;
  readonly schemes: readonly SweptScheme[];
}

export interface SweptScheme {
  readonly scheme: string;
  readonly fits: number;
  /** 0 where fewer fit than were measured. Read off the curve; beyond its end, what its end reached. */
  readonly tokensPerSecond: number;
  /** Seconds between tokens that nine of ten do not exceed, read likewise; 0 where fewer fit. */
  readonly latency: number;
}

/** Where one scheme is so many times as fast as another in the same memory. */
export interface Passing extends Reach {
  readonly scheme: string;
  readonly over: string;
  readonly ratio: number;
  /** The same with only so many sequences that nine tokens of ten come as quickly as from the other with all it holds. */
  readonly asQuick: Reach;
}

export interface Reach {
  /** The largest memory where both run and the ratio is reached; absent where it is not. */
  readonly memory?: number;
  /** Sequences of each that run there. */
  readonly fits?: number;
  readonly fitsOver?: number;
  /** The greatest ratio of all memories where both run. */
  readonly most: number;
}

/** Tokens per second at `batch`, between the nearest two that were measured. */
export function throughputAt(curve: readonly BatchPoint[], batch: number): number {
  return valueAt(curve, batch, ({ tokensPerSecond }) => tokensPerSecond);
}

/** Seconds between tokens that nine of ten do not exceed, at `batch`. */
export function latencyAt(curve: readonly BatchPoint[], batch: number): number {
  return valueAt(curve, batch, ({ betweenTokens }) => betweenTokens.p90);
}

function valueAt(curve: readonly BatchPoint[], batch: number, read: (point: BatchPoint) => number): number {
  const above = curve.find((point) => point.batch >= batch);
  const below = curve.filter((point) => point.batch <= batch).at(-1);
  if (!above || !below || above === below) return read((above ?? below)!);
  const share = (batch - below.batch) / (above.batch - below.batch);
  return read(below) + share * (read(above) - read(below));
}

/**
 * The memories that hold 1, 2, ... `sequences` sequences of each of `yardsticks`, and what every scheme serves there.
 */
export function sweepMemory(
  points: readonly BatchPoint[],
  {
    needs,
    yardsticks,
    sequences,
  }: { needs: readonly MemoryNeed[]; yardsticks: readonly string[]; sequences: number },
): SweptMemory[] {
  const memories = needs
    .filter(({ scheme }) => yardsticks.includes(scheme))
    .flatMap(({ weightBytes, sequenceBytes }) =>
      Array.from({ length: sequences }, (_, i) => weightBytes + (i + 1) * sequenceBytes),
    );
  const curves = new Map(
    needs.map(({ scheme }) => [scheme, points.filter((point) => point.scheme === scheme)]),
  );
  return memories
    .sort((a, b) => a - b)
    .map((memory) => ({
      memory,
      schemes: needs.map(({ scheme, weightBytes, sequenceBytes }) => {
        const fits = Math.max(0, Math.floor((memory - weightBytes) / sequenceBytes));
        const curve = curves.get(scheme)!;
        const known = fits >= (curve[0]?.batch ?? Number.POSITIVE_INFINITY);
        const tokensPerSecond = known ? throughputAt(curve, fits) : 0;
        const latency = known ? latencyAt(curve, fits) : 0;
        return { scheme, fits, tokensPerSecond, latency };
      }),
    }));
}

/** Where `scheme` passes `ratio` times `over`; `points` are those that `sweep` was read off. */
export function passingOf(
  sweep: readonly SweptMemory[],
  points: readonly BatchPoint[],
  { scheme, over, ratio }: { scheme: string; over: string; ratio: number },
): Passing {
  const curve = points.filter((point) => point.scheme === scheme);
  const both = sweep.flatMap(({ memory, schemes }) => {
    const [fast, slow] = [scheme, over].map((name) => schemes.find((entry) => entry.scheme === name));
    return fast?.tokensPerSecond && slow?.tokensPerSecond ? [{ memory, fast, slow }] : [];
  });
  const all = both.map(({ memory, fast, slow }) => ({
    ...{ memory, fits: fast.fits, fitsOver: slow.fits },
    times: fast.tokensPerSecond / slow.tokensPerSecond,
  }));
  const asQuick = both.flatMap(({ memory, fast, slow }) => {
    const fits = quickBatch(curve, { most: fast.fits, limit: slow.latency });
    if (fits < curve[0]!.batch) return [];
    return [{ memory, fits, fitsOver: slow.fits, times: throughputAt(curve, fits) / slow.tokensPerSecond }];
  });
  return { scheme, over, ratio, ...reachOf(all, ratio), asQuick: reachOf(asQuick, ratio) };
}

interface Meeting {
  readonly memory: number;
  readonly fits: number;
  readonly fitsOver: number;
  readonly times: number;
}

function reachOf(meetings: readonly Meeting[], ratio: number): Reach {
  const last = meetings.filter(({ times }) => times >= ratio).at(-1);
  return {
    most: Math.max(0, ...meetings.map(({ times }) => times)),
    ...(last && { memory: last.memory, fits: last.fits, fitsOver: last.fitsOver }),
  };
}

/** The most sequences, up to `most`, of which nine tokens of ten come within `limit` seconds; 0 for none. */
export function quickBatch(
  curve: readonly BatchPoint[],
  { most, limit }: { most: number; limit: number },
): number {
  // Beyond the last measured batch nothing is known of latencies.
  let batch = Math.min(most, curve.at(-1)?.batch ?? 0);
  while (batch > 0 && latencyAt(curve, batch) > limit) batch--;
  return batch;
}
