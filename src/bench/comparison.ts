// All of `bench compare`: the curves over the batch, the bars in one memory, and where the paper's ratios are passed.
import { type InMemory, type MeasureOptions, measureSchemes } from './compare.ts';
import type { LoadedScheme } from './loaded-scheme.ts';
import { type MemoryNeed, type Passing, passingOf, type SweptMemory, sweepMemory } from './memory-sweep.ts';
import { plainScheme } from './schemes.ts';
import type { BatchPoint } from './turns.ts';

export interface ComparisonOptions extends MeasureOptions {
  /** Without `memory`: one that holds so many sequences beside the 16-bit weights. */
  readonly sequences: number;
}

export interface Comparison {
  readonly needs: readonly MemoryNeed[];
  readonly curve: readonly BatchPoint[];
  /** Absent where the memory depends on the 16-bit model and that is not among the schemes. */
  readonly inMemory?: InMemory;
  /** Ascending; computed from the curve. */
  readonly sweep: readonly SweptMemory[];
  readonly passings: readonly Passing[];
}

/** What Atom's abstract claims for W4A4 on a GPU: throughput over 16 bits, and over INT8. */
const claims = [
  { scheme: 'W4A4KV4', over: plainScheme.name, ratio: 7.73 },
  { scheme: 'W4A4KV4', over: 'W8A8KV8', ratio: 2.53 },
] as const;

/** Memories up to one that holds so many sequences of the yardsticks. */
const sweptSequences = 32;

/** Throws as `measureSchemes` does. */
export function compare(loaded: readonly LoadedScheme[], options: ComparisonOptions): Comparison {
  const { shape, sequences, fitting = false } = options;
  const needs = loaded.map((scheme) => ({
    scheme: scheme.name,
    weightBytes: scheme.weightBytes,
    sequenceBytes: scheme.sequenceBytes(shape.prompt + shape.answer),
  }));
  const plain = needs.find(({ scheme }) => scheme === plainScheme.name);
  const memory = options.memory ?? (plain && plain.weightBytes + sequences * plain.sequenceBytes);
  const { curve, inMemory } = measureSchemes(loaded, { ...options, memory });
  const measured = new Set(needs.map(({ scheme }) => scheme));
  const claimed = claims.filter(({ scheme, over }) => measured.has(scheme) && measured.has(over));
  const sweep = sweepMemory(curve, {
    needs,
    yardsticks: claims.map(({ over }) => over),
    sequences: sweptSequences,
  }).filter((swept) => !fitting || memory === undefined || swept.memory <= memory);
  return {
    needs,
    curve,
    ...(inMemory && { inMemory }),
    sweep,
    passings: claimed.map((claim) => passingOf(sweep, curve, claim)),
  };
}
