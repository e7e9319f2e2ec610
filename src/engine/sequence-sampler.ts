// What one answer adds to sampling: its seed, and changes of logits that depend on what it has said so far.
// Order as in other servers: bias and bans, then penalties, then temperature and filters.
import type { Backend } from '../backend/backend.ts';
import type { Tensor } from '../backend/tensor.ts';
import { AtomError } from '../errors.ts';
import { uniform } from './random.ts';
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

  /**
   * The token at `position` of the sequence, from a row of logits (rows, vocab) f32, which stay as they are; `scratch` (vocab)
   * f32 may be written. Throws `numeric` where no token is possible.
   */
  choose(
    backend: Backend,
    {
      logits,
      row,
      scratch,
      position,
      restrictions = nothing,
    }: {
      logits: Tensor;
      row: number;
      scratch: Tensor;
      position: number;
      restrictions?: Restrictions;
    },
  ): number {
    const { temperature = 1, topK = 0, topP = 1, minP = 0 } = this.#sampling;
    const draw = temperature === 0 ? 0 : uniform(this.#stream, position);
    const filters = { temperature, topK, topP, minP, draw };
    const id = this.#changes(restrictions)
      ? backend.sample({
          logits: this.#changed(logits.rows(row, 1).f32(), scratch, restrictions),
          row: 0,
          ...filters,
        })
      : backend.sample({ logits, row, ...filters });
    if (id < 0) {
      throw new AtomError(
        'numeric',
        'no token is possible: every logit is NaN or minus infinity; the weights, their quantization or a grammar is broken',
      );
    }
    return id;
  }

  #changes({ banned, mask }: Restrictions): boolean {
    return Boolean(this.#seen ?? this.#sampling.logitBias ?? banned ?? mask);
  }

  #changed(logits: Float32Array, scratch: Tensor, { banned, mask }: Restrictions): Tensor {
    const values = scratch.f32();
    values.set(logits);
    const { logitBias } = this.#sampling;
    if (logitBias) for (const [id, bias] of logitBias) if (id < values.length) values[id]! += bias;
    if (banned) for (const id of banned) values[id] = Number.NEGATIVE_INFINITY;
    this.#penalise(values);
    if (mask) applyMask(values, mask);
    return scratch;
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
    if (bits === 0) {
      logits.fill(Number.NEGATIVE_INFINITY, word * 32, end);
      continue;
    }
    for (let id = word * 32; id < end; id++) {
      if ((bits & (1 << (id & 31))) === 0) logits[id] = Number.NEGATIVE_INFINITY;
    }
  }
}
