// What one answer adds to sampling: its seed, and changes of logits that depend on what it has said so far.
// Order as in other servers: bias and bans, then penalties, then temperature and filters.
import { uniform } from './random.ts';
import type { Sampler } from './sampler.ts';
import type { SamplingOptions } from './sampling-options.ts';

export interface SequenceSamplerOptions {
  readonly sampling: SamplingOptions;
  readonly prompt: ArrayLike<number>;
  /** Which answer to the prompt; each draws numbers of its own. */
  readonly index?: number;
}

export interface Restrictions {
  /** Tokens that must not come now. */
  readonly banned?: readonly number[] | undefined;
  /** (ceil(vocab / 32)) one bit per token, lowest first: 0 where a grammar forbids it. */
  readonly mask?: Int32Array | undefined;
}

const nothing: Restrictions = {};

export class SequenceSampler {
  readonly #sampling: SamplingOptions;
  readonly #stream: number;
  /** How often each token is in the answer, 0 for those of the prompt alone; undefined where no penalty asks. */
  readonly #seen: Map<number, number> | undefined;

  constructor({ sampling, prompt, index = 0 }: SequenceSamplerOptions) {
    this.#sampling = sampling;
    // Of a larger seed the sum would lose the index to rounding.
    const seed = (sampling.seed ?? Math.floor(Math.random() * 2 ** 32)) % 2 ** 52;
    this.#stream = seed + index * 2 ** 32;
    const { repetitionPenalty = 1, presencePenalty = 0, frequencyPenalty = 0 } = sampling;
    if (repetitionPenalty === 1 && presencePenalty === 0 && frequencyPenalty === 0) return;
    this.#seen = new Map();
    for (let i = 0; i < prompt.length; i++) this.#seen.set(prompt[i]!, 0);
  }

  /** Tells of a token that was added to the answer. */
  see(tokenId: number): void {
    this.#seen?.set(tokenId, (this.#seen.get(tokenId) ?? 0) + 1);
  }

  /** The token at `position` of the sequence. logits (vocab) f32 stay as they are; `scratch` (vocab) f32 may be written. */
  choose(
    sampler: Sampler,
    {
      logits,
      scratch,
      position,
      restrictions = nothing,
    }: {
      logits: Float32Array;
      scratch: Float32Array;
      position: number;
      restrictions?: Restrictions;
    },
  ): number {
    const { temperature = 1, logitBias } = this.#sampling;
    const draw = temperature === 0 ? 0 : uniform(this.#stream, position);
    const { banned, mask } = restrictions;
    if (!this.#seen && !logitBias && !banned && !mask) return sampler.choose(logits, this.#sampling, draw);
    scratch.set(logits);
    if (logitBias) for (const [id, bias] of logitBias) if (id < scratch.length) scratch[id]! += bias;
    if (banned) for (const id of banned) scratch[id] = Number.NEGATIVE_INFINITY;
    this.#penalise(scratch);
    if (mask) applyMask(scratch, mask);
    return sampler.choose(scratch, this.#sampling, draw);
  }

  #penalise(logits: Float32Array): void {
    if (!this.#seen) return;
    const { repetitionPenalty = 1, presencePenalty = 0, frequencyPenalty = 0 } = this.#sampling;
    for (const [id, count] of this.#seen) {
      let logit = logits[id]!;
      logit = logit > 0 ? logit / repetitionPenalty : logit * repetitionPenalty;
      if (count > 0) logit -= presencePenalty + frequencyPenalty * count;
      logits[id] = logit;
    }
  }
}

function applyMask(logits: Float32Array, mask: Int32Array): void {
  for (let word = 0; word < mask.length; word++) {
    const bits = mask[word]!;
    if (bits === -1) continue;
    const end = Math.min(logits.length, word * 32 + 32);
    for (let id = word * 32; id < end; id++) {
      if ((bits & (1 << (id & 31))) === 0) logits[id] = Number.NEGATIVE_INFINITY;
    }
  }
}
