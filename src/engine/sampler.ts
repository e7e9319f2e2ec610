// Logits to a token: temperature, the filters (min-p, then top-k, then top-p), one draw.
// It keeps arrays for one vocabulary and nothing about any sequence; the same arguments give the same token.
import { AtomError } from '../errors.ts';
import type { SamplingOptions } from './sampling-options.ts';

type Filters = Pick<SamplingOptions, 'temperature' | 'topK' | 'topP' | 'minP'>;

/** Weights below this, beside the most probable token's 1, are never drawn in practice. */
const leastWeight = 1e-12;
const numBuckets = 2048;

export class Sampler {
  readonly #kept: Int32Array; // (vocab) ids of candidates
  readonly #weights: Float64Array; // (vocab) by id, the most probable token's is 1
  readonly #bucketSums = new Float64Array(numBuckets);

  constructor(vocabSize: number) {
    this.#kept = new Int32Array(vocabSize);
    this.#weights = new Float64Array(vocabSize);
  }

  /** The token that `draw` in [0, 1) picks; logits (vocab) f32. Throws `numeric` when there is none to pick. */
  choose(
    logits: Float32Array,
    { temperature = 1, topK = 0, topP = 1, minP = 0 }: Filters,
    draw: number,
  ): number {
    const best = argmax(logits);
    if (temperature === 0 || topK === 1) return best;
    const least = Math.max(minP, leastWeight);
    const largest = logits[best]!;
    let count = this.#weigh(logits, { largest, temperature, least });
    const range = { largest, depth: Math.max(-Math.log(least) * temperature, 1e-6) };
    if (topK > 0 && topK < count) count = this.#keepBest(logits, { count, ...range, limit: topK });
    if (topP < 1)
      count = this.#keepBest(logits, { count, ...range, limit: topP * this.#total(count), byWeight: true });
    let left = draw * this.#total(count);
    for (let i = 0; i < count; i++) {
      left -= this.#weights[this.#kept[i]!]!;
      if (left < 0) return this.#kept[i]!;
    }
    return best;
  }

  /** Weights of the candidates, which it lists; returns their number. */
  #weigh(
    logits: Float32Array,
    { largest, temperature, least }: { largest: number; temperature: number; least: number },
  ): number {
    const kept = this.#kept;
    const weights = this.#weights;
    const lowest = largest + Math.log(least) * temperature;
    const factor = 1 / temperature;
    let count = 0;
    for (let id = 0; id < logits.length; id++) {
      const logit = logits[id]!;
      if (!(logit >= lowest)) continue;
      weights[id] = Math.exp((logit - largest) * factor);
      kept[count++] = id;
    }
    return count;
  }

  /**
   * Leaves the most probable candidates, as many as it takes to reach `limit` in number or weight. Sorting a vocabulary
   * costs milliseconds, so candidates are thrown into buckets by logit, and only the bucket at the limit is sorted.
   */
  #keepBest(
    logits: Float32Array,
    {
      count,
      largest,
      depth,
      limit,
      byWeight = false,
    }: {
      count: number;
      largest: number;
      depth: number;
      limit: number;
      byWeight?: boolean;
    },
  ): number {
    const kept = this.#kept;
    const weights = this.#weights;
    const sums = this.#bucketSums.fill(0);
    const scale = (numBuckets - 1) / depth;
    const bucketOf = (id: number) => Math.floor((largest - logits[id]!) * scale);
    for (let i = 0; i < count; i++) sums[bucketOf(kept[i]!)]! += byWeight ? weights[kept[i]!]! : 1;
    let edge = 0;
    let sum = 0;
    while (edge < numBuckets - 1 && sum + sums[edge]! < limit) sum += sums[edge++]!;
    const atEdge: number[] = [];
    let left = 0;
    for (let i = 0; i < count; i++) {
      const id = kept[i]!;
      const bucket = bucketOf(id);
      if (bucket < edge) kept[left++] = id;
      else if (bucket === edge) atEdge.push(id);
    }
    // Of equals the lower id is kept, so that the result does not depend on the sort.
    atEdge.sort((a, b) => logits[b]! - logits[a]! || a - b);
    for (const id of atEdge) {
      if (sum >= limit) break;
      kept[left++] = id;
      sum += byWeight ? weights[id]! : 1;
    }
    return left;
  }

  #total(count: number): number {
    let total = 0;
    for (let i = 0; i < count; i++) total += this.#weights[this.#kept[i]!]!;
    return total;
  }
}

function argmax(logits: Float32Array): number {
  let best = -1;
  let largest = Number.NEGATIVE_INFINITY;
  for (let id = 0; id < logits.length; id++) {
    if (logits[id]! > largest) {
      largest = logits[id]!;
      best = id;
    }
  }
  if (best < 0) {
    throw new AtomError(
      'numeric',
      'no token is possible: every logit is NaN or minus infinity; the weights, their quantization or a grammar is broken',
    );
  }
  return best;
}
