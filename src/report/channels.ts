// What the channels of one input tell: how far the largest stand out, before and after the outliers are set apart.
import { positive } from './scales.ts';
import type { ChannelReport } from './types.ts';

export interface ChannelFacts {
  /** (channels) magnitudes as they were quantized: by default ascending, outliers last. */
  readonly final: readonly number[];
  /** How many of the last places of `final` are kept in higher precision. */
  readonly kept: number;
  /** Channels kept in higher precision, by their number in the model. */
  readonly outliers: ReadonlySet<number>;
  /** Of the channels in the model's own order. */
  readonly median: number;
  /** Largest over median in the model's own order. */
  readonly peak: number;
  /** Largest of the channels that are left to the low bits over the median of `final`. */
  readonly normalPeak: number;
}

export function channelFacts({ magnitudes, outliers, transformed }: ChannelReport): ChannelFacts {
  const outlierChannels = new Set(outliers.filter((channel) => magnitudes[channel] !== undefined));
  const { final, kept } =
    transformed === undefined
      ? { final: sorted(magnitudes, outlierChannels), kept: outlierChannels.size }
      : { final: transformed.magnitudes, kept: placesKept(transformed) };
  return {
    final,
    kept,
    outliers: outlierChannels,
    median: median(magnitudes),
    peak: largest(magnitudes) / median(magnitudes),
    normalPeak: largest(final.slice(0, final.length - kept)) / median(final),
  };
}

function sorted(magnitudes: readonly number[], outliers: ReadonlySet<number>): number[] {
  const ascending = (channels: Iterable<number>) =>
    [...channels].map((channel) => magnitudes[channel] ?? Number.NaN).sort(byPlace);
  const normal = [...magnitudes.keys()].filter((channel) => !outliers.has(channel));
  return [...ascending(normal), ...ascending(outliers)];
}

/** Numbers ascending, what is none before them. */
function byPlace(a: number, b: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(b)) - Number(Number.isNaN(a));
  return a - b;
}

function placesKept({ magnitudes, outliers }: { magnitudes: readonly number[]; outliers: number }): number {
  return Math.min(magnitudes.length, Math.max(0, Math.floor(outliers) || 0));
}

function median(values: readonly number[]): number {
  const ascending = positive(values).sort((a, b) => a - b);
  return ascending[Math.floor(ascending.length / 2)] ?? Number.NaN;
}

function largest(values: readonly number[]): number {
  return positive(values).reduce((most, value) => Math.max(most, value), 0);
}
