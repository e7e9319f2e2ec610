// Counts of values in equal bins, for people to look at.

export interface Bins {
  /** (bins + 1) ascending. */
  readonly edges: readonly number[];
  readonly counts: readonly number[];
}

/** Values beyond `low` and `high` fall in the outermost bins; NaN is not counted. */
export class Histogram implements Bins {
  readonly edges: readonly number[];
  readonly counts: number[];
  readonly #low: number;
  readonly #perBin: number;

  constructor({ low, high, bins }: { low: number; high: number; bins: number }) {
    this.#low = low;
    this.#perBin = (high - low) / bins;
    this.edges = Array.from({ length: bins + 1 }, (_, i) => low + i * this.#perBin);
    this.counts = Array.from({ length: bins }, () => 0);
  }

  /** Counts values times `factor`. */
  add(values: ArrayLike<number>, factor = 1): void {
    const last = this.counts.length - 1;
    for (let i = 0; i < values.length; i++) {
      const bin = Math.floor((values[i]! * factor - this.#low) / this.#perBin);
      if (!Number.isNaN(bin)) this.counts[Math.min(Math.max(bin, 0), last)]! += 1;
    }
  }
}
