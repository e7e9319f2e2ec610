// Logits to a token: temperature, the filters (min-p, then top-k, then top-p), one draw.
// It keeps arrays for one vocabulary and nothing about any sequence; the same arguments give the same token.
import { AtomError } from '../errors.ts';
import type { SamplingOptions } from './sampling-options.ts';

type Filters = Pick<SamplingOptions, 'temperature' | 'topK' | 'topP' | 'minP'>;

/** Weights below this, beside the most probable token's 1, are never drawn in practice. */
const leastWeight = 1e-12;
/**
 * Most vocabularies lie so far below the best token that their weights need not be known: a token of less than
 * e^-16 is looked at only where the draw could fall upon it.
 */
const headDepth = 16;
/** A draw is split into two independent ones of about as many bits: which part of the vocabulary, and where in it. */
const coarseSteps = 2 ** 26;
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
    if (temperature === 0 || topK === 1) return argmax(logits);
    const wholeDepth = -Math.log(Math.max(minP, leastWeight)) * temperature;
    const depth = Math.min(headDepth * temperature, wholeDepth);
    const head = this.#gather(logits, depth);
    const { largest } = head;
    // A bias or penalty has made it certain.
    if (largest === Number.POSITIVE_INFINITY) return argmax(logits);
    let { count } = head;
    if (topK > 0) {
      const all = count < topK && depth < wholeDepth;
      if (all) count = this.#gather(logits, wholeDepth).count;
      const range = { largest, depth: all ? wholeDepth : depth };
      if (topK < count) count = this.#keepBest(logits, { count, ...range, limit: topK });
      const sum = this.#weigh(logits, { from: 0, to: count, largest, temperature });
      if (topP < 1) count = this.#keepBest(logits, { count, ...range, limit: topP * sum, byWeight: true });
      return this.#pick(0, count, draw);
    }
    const sum = this.#weigh(logits, { from: 0, to: count, largest, temperature });
    // More than all others together can weigh.
    const rest = depth < wholeDepth ? (logits.length - count) * Math.exp(-headDepth) : 0;
    if (topP < 1) {
      const best = this.#keepBest(logits, { count, largest, depth, limit: topP * sum, byWeight: true });
      if (this.#total(best) >= topP * (sum + rest)) return this.#pick(0, best, draw);
      return this.#chooseOfAll(logits, { wholeDepth, largest, temperature, topP }, draw);
    }
    if (rest === 0) return this.#pick(0, count, draw);
    const coarse = Math.floor(draw * coarseSteps);
    const fine = draw * coarseSteps - coarse;
    const share = coarse / coarseSteps;
    if (share * (sum + rest) < sum) return this.#pick(0, count, fine);
    const end = this.#gatherBetween(logits, {
      from: count,
      low: largest - wholeDepth,
      high: largest - depth,
    });
    const others = this.#weigh(logits, { from: count, to: end, largest, temperature });
    return share * (sum + others) < sum ? this.#pick(0, count, fine) : this.#pick(count, end, fine);
  }

  /** Top-p where the weight of the unlikely tokens decides where it ends. */
  #chooseOfAll(
    logits: Float32Array,
    {
      wholeDepth,
      largest,
      temperature,
      topP,
    }: { wholeDepth: number; largest: number; temperature: number; topP: number },
    draw: number,
  ): number {
    const { count } = this.#gather(logits, wholeDepth);
    const sum = this.#weigh(logits, { from: 0, to: count, largest, temperature });
    const options = { count, largest, depth: wholeDepth, limit: topP * sum, byWeight: true };
    return this.#pick(0, this.#keepBest(logits, options), draw);
  }

  /** Lists the candidates down to `depth` below the best; returns their number and the best logit. */
  #gather(logits: Float32Array, depth: number): { count: number; largest: number } {
    const kept = this.#kept;
    const largest = logits[argmax(logits)]!;
    const lowest = largest - depth;
    let count = 0;
    for (let id = 0; id < logits.length; id++) {
      // About every other token is a candidate, which no processor can guess: a branch here takes four times as long.
      kept[count] = id;
      count += +(logits[id]! >= lowest);
    }
    return { count, largest };
  }

  /** Lists candidates in [low, high) from place `from` on; returns the place after the last. */
  #gatherBetween(
    logits: Float32Array,
    { from, low, high }: { from: number; low: number; high: number },
  ): number {
    let end = from;
    for (let id = 0; id < logits.length; id++)
      if (logits[id]! >= low && logits[id]! < high) this.#kept[end++] = id;
    return end;
  }

  /** Weights of the candidates in places [from, to); returns their sum. */
  #weigh(
    logits: Float32Array,
    { from, to, largest, temperature }: { from: number; to: number; largest: number; temperature: number },
  ): number {
    const factor = 1 / temperature;
    let sum = 0;
    for (let i = from; i < to; i++) {
      const id = this.#kept[i]!;
      const weight = Math.exp((logits[id]! - largest) * factor);
      this.#weights[id] = weight;
      sum += weight;
    }
    return sum;
  }

  /** Of the candidates in places [from, to), the one that `draw` in [0, 1) falls upon by weight. */
  #pick(from: number, to: number, draw: number): number {
    let sum = 0;
    for (let i = from; i < to; i++) sum += this.#weights[this.#kept[i]!]!;
    let left = draw * sum;
    for (let i = from; i < to; i++) {
      left -= this.#weights[this.#kept[i]!]!;
      if (left < 0) return this.#kept[i]!;
    }
    // Rounding left something over.
    return this.#kept[to - 1]!;
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
    const scale = (numBuckets - 1) / Math.max(depth, 1e-6);
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
      // The best stays, also where the limit is zero.
      if (sum >= limit && left > 0) break;
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

/** The largest logit's id, of equals the lowest. */
function argmax(logits: Float32Array): number {
  const { length } = logits;
  let best = -1;
  let largest = Number.NEGATIVE_INFINITY;
  for (let id = 0; id < length; id++) {
    // Hardly any is the largest so far; passing over eight at a time halves the time.
    while (
      id + 8 <= length &&
      !(
        logits[id]! > largest ||
        logits[id + 1]! > largest ||
        logits[id + 2]! > largest ||
        logits[id + 3]! > largest ||
        logits[id + 4]! > largest ||
        logits[id + 5]! > largest ||
        logits[id + 6]! > largest ||
        logits[id + 7]! > largest
      )
    )
      id += 8;
    if (id < length && logits[id]! > largest) {
      largest = logits[id]!;
      best = id;
    }
  }
  if (best < 0) throw nothingPossible();
  return best;
}

function nothingPossible(): AtomError {
  return new AtomError(
    'numeric',
    'no token is possible: every logit is NaN or minus infinity; the weights, their quantization or a grammar is broken',
  );
}
