// How much worse one model is than another on the same text. Windows that are hard for one are hard for the other, so
// the differences of pairs say far more than the two perplexities' own intervals do.
import type { TextResult } from './evaluate.ts';
import { standardError } from './statistics.ts';

export interface PerplexityChange {
  readonly text: string;
  /** The other's perplexity over the base's. */
  readonly ratio: number;
  /** 95 % confidence interval, from the spread of the windows' differences. */
  readonly interval: readonly [low: number, high: number];
}

/** Undefined where the two were not measured on the same windows, as with another tokenizer. */
export function perplexityChange(base: TextResult, other: TextResult): PerplexityChange | undefined {
  const same =
    base.text === other.text &&
    base.window === other.window &&
    base.tokens === other.tokens &&
    base.windows === other.windows;
  if (!same) return undefined;
  const differences = other.windowMeans.map((mean, index) => base.windowMeans[index]! - mean);
  const logRatio = Math.log(other.perplexity / base.perplexity);
  const margin = 1.96 * standardError(differences);
  return {
    text: base.text,
    ratio: Math.exp(logRatio),
    interval: [Math.exp(logRatio - margin), Math.exp(logRatio + margin)],
  };
}
