// Logits to a token: penalties, then temperature, then the filters (top-k, top-p, min-p), then one draw.
// One sampler per sequence; its arrays are made once for the vocabulary.
import { AtomError } from '../errors.ts';
import { uniform } from './random.ts';

export interface SamplingOptions {
  /** 0 takes the most probable token (of equals the lowest id). */
  readonly temperature?: number;
  /** Only the k most probable; 0 for all. */
  readonly topK?: number;
  /** The fewest tokens whose probabilities reach p (Holtzman et al., 2019). */
  readonly topP?: number;
  /** Only tokens at least this fraction as probable as the most probable. */
  readonly minP?: number;
  /** Divides positive logits of tokens seen in prompt or answer, multiplies negative ones (Keskar et al., 2019). */
  readonly repetitionPenalty?: number;
  readonly seed?: number;
}

export class Sampler {
  readonly #options: Required<SamplingOptions>;
  readonly #order: Uint32Array; // (vocab) ids, the candidates first
  readonly #weights: Float64Array; // (vocab) by id
  readonly #seen: Uint8Array; // (vocab)

  constructor(vocabSize: number, options: SamplingOptions = {}) {
    this.#options = {
      temperature: options.temperature ?? 1,
      topK: options.topK ?? 0,
      topP: options.topP ?? 1,
      minP: options.minP ?? 0,
      repetitionPenalty: options.repetitionPenalty ?? 1,
      seed: options.seed ?? Math.floor(Math.random() * 2 ** 32),
    };
    this.#order = new Uint32Array(vocabSize);
    this.#weights = new Float64Array(vocabSize);
    this.#seen = new Uint8Array(vocabSize);
  }

  /** Tells the sampler of tokens in the context. */
  see(tokenIds: ArrayLike<number>): void {
    for (let i = 0; i < tokenIds.length; i++) this.#seen[tokenIds[i]!] = 1;
  }

  /** The token at `position` of the sequence; logits (vocab) f32 may be changed. Throws `numeric` when all are NaN. */
  sample(logits: Float32Array, position: number): number {
    this.#penalise(logits);
    const best = argmax(logits);
    if (this.#options.temperature === 0 || this.#options.topK === 1) return best;
    const candidates = this.#candidates(logits, logits[best]!);
    let total = 0;
    for (const id of candidates) total += this.#weights[id]!;
    let left = uniform(this.#options.seed, position) * total;
    for (const id of candidates) {
      left -= this.#weights[id]!;
      if (left < 0) return id;
    }
    return best;
  }

  #penalise(logits: Float32Array): void {
    const penalty = this.#options.repetitionPenalty;
    if (penalty === 1) return;
    for (const [id, seen] of this.#seen.entries()) {
      if (seen) logits[id] = logits[id]! > 0 ? logits[id]! / penalty : logits[id]! * penalty;
    }
  }

  /** Ids that survive the filters, their weights (relative to the best) written by id. */
  #candidates(logits: Float32Array, largest: number): Uint32Array {
    const { temperature, topK, topP, minP } = this.#options;
    const least = Math.max(minP, 1e-12); // a weight below this is never drawn in practice
    let count = 0;
    for (let id = 0; id < logits.length; id++) {
      const weight = Math.exp((logits[id]! - largest) / temperature);
      if (!(weight >= least)) continue;
      this.#weights[id] = weight;
      this.#order[count++] = id;
    }
    const candidates = this.#order.subarray(0, count);
    if (topK === 0 && topP >= 1) return candidates;
    // Ties keep the order of ids, so that the result does not depend on the sort.
    candidates.sort((a, b) => this.#weights[b]! - this.#weights[a]! || a - b);
    const kept = topK > 0 ? candidates.subarray(0, topK) : candidates;
    if (topP >= 1) return kept;
    const total = kept.reduce((sum, id) => sum + this.#weights[id]!, 0);
    let nucleus = 0;
    for (let sum = 0; nucleus < kept.length && sum < topP * total; nucleus++)
      sum += this.#weights[kept[nucleus]!]!;
    return kept.subarray(0, nucleus);
  }
}

function argmax(logits: Float32Array): number {
  let best = -1;
  for (let id = 0; id < logits.length; id++) {
    if (logits[id]! > (best < 0 ? Number.NEGATIVE_INFINITY : logits[best]!)) best = id;
  }
  if (best < 0)
    throw new AtomError(
      'numeric',
      'the model gave no finite logit; its weights or its quantization are broken',
    );
  return best;
}
