// What is asked of an engine: lengths of prompts and answers drawn like those of conversations, arrivals of a Poisson
// process, tokens without meaning. Equal seeds draw equal requests, for every scheme the same.
import { uniform } from '../engine/random.ts';

export interface Lengths {
  readonly prompt: number;
  readonly answer: number;
}

/** A log-normal distribution, by its mean and the deviation of its logarithm, cut off at both ends. */
export interface LengthDistribution {
  readonly mean: number;
  readonly sigma: number;
  readonly shortest: number;
  readonly longest: number;
}

export interface ConversationLengths {
  readonly prompt: LengthDistribution;
  readonly answer: LengthDistribution;
}

/**
 * Means of ShareGPT's conversations as vLLM's authors tokenized them (Kwon et al., SOSP 2023, figure 11: 161.31 and
 * 337.99). The spreads are ours: log-normal, long tails, cut off at 1,024 as benchmarks of that data set do.
 */
export const shareGpt: ConversationLengths = {
  prompt: { mean: 161.31, sigma: 1.1, shortest: 4, longest: 1024 },
  answer: { mean: 337.99, sigma: 0.9, shortest: 4, longest: 1024 },
};

/** The same shape in a context of other size: for models and runs that are small. */
export function scaled({ prompt, answer }: ConversationLengths, factor: number): ConversationLengths {
  const scale = ({ mean, sigma, shortest, longest }: LengthDistribution) => ({
    mean: mean * factor,
    sigma,
    shortest,
    longest: Math.max(shortest, Math.floor(longest * factor)),
  });
  return { prompt: scale(prompt), answer: scale(answer) };
}

/** Streams of draws, so that no two quantities share one. */
const stream = { prompt: 0, answer: 1, arrival: 2, tokens: 3 } as const;

export class Workload {
  readonly #seed: number;
  readonly #lengths: ConversationLengths;

  constructor({ seed = 0, lengths = shareGpt }: { seed?: number; lengths?: ConversationLengths } = {}) {
    this.#seed = seed;
    this.#lengths = lengths;
  }

  /** Lengths of request `index`. */
  lengths(index: number): Lengths {
    return {
      prompt: this.#length(this.#lengths.prompt, stream.prompt, index),
      answer: this.#length(this.#lengths.answer, stream.answer, index),
    };
  }

  /** Seconds between the arrivals of requests `index - 1` and `index`, at so many requests a second on average. */
  gap(index: number, rate: number): number {
    return -Math.log(1 - this.#draw(stream.arrival, index)) / rate;
  }

  /** `count` token ids of request `index`, after which no other request's begin. */
  tokens(index: number, { count, vocabSize }: { count: number; vocabSize: number }): Int32Array {
    let state = Math.floor(this.#draw(stream.tokens, index) * 2 ** 32);
    return Int32Array.from({ length: count }, () => {
      // A linear congruence (Knuth's constants); its high bits are what is random.
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * vocabSize);
    });
  }

  /** Draws anew what lies beyond the ends. */
  #length({ mean, sigma, shortest, longest }: LengthDistribution, kind: number, index: number): number {
    const middle = Math.log(mean) - sigma ** 2 / 2;
    for (let attempt = 0; ; attempt += 2) {
      const [a, b] = [0, 1].map((i) => this.#draw(kind, index * 1000 + attempt + i));
      const normal = Math.sqrt(-2 * Math.log(1 - a!)) * Math.cos(2 * Math.PI * b!);
      const length = Math.round(Math.exp(middle + sigma * normal));
      if (length >= shortest && length <= longest) return length;
    }
  }

  #draw(kind: number, index: number): number {
    return uniform(this.#seed * 4 + kind, index);
  }
}
