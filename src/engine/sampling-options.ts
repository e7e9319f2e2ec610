// How a token is chosen from logits; each option's absence means that it changes nothing.

export interface SamplingOptions {
  /** 0 takes the most probable token (of equals the lowest id). Default 1. */
  readonly temperature?: number;
  /** Only the k most probable; 0 for all. */
  readonly topK?: number;
  /** The fewest tokens whose probabilities reach p (Holtzman et al., 2019). */
  readonly topP?: number;
  /** Only tokens at least this fraction as probable as the most probable. */
  readonly minP?: number;
  /** Divides positive logits of tokens seen in prompt or answer, multiplies negative ones (Keskar et al., 2019). */
  readonly repetitionPenalty?: number;
  /** Subtracted once from logits of tokens in the answer. */
  readonly presencePenalty?: number;
  /** Subtracted from logits for every time the token is in the answer. */
  readonly frequencyPenalty?: number;
  /** Added to logits by token id. */
  readonly logitBias?: ReadonlyMap<number, number>;
  /** The same seed gives the same answer, whatever else runs. Without it each answer draws its own. */
  readonly seed?: number;
}
