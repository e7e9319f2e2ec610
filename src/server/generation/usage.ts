// Tokens used by a request, summed over its prompts and answers, in OpenAI's words.
import type { Usage as EngineUsage } from '../../engine/engine-types.ts';

export interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  readonly prompt_tokens_details: { readonly cached_tokens: number };
}

export class UsageCounter {
  #promptTokens = 0;
  #completionTokens = 0;
  #cachedTokens = 0;

  /** A prompt counts once, however many answers it gets. */
  addPrompt(tokens: number): void {
    this.#promptTokens += tokens;
  }

  addToken(): void {
    this.#completionTokens++;
  }

  /** What only the engine knows, from one prompt's first answer. */
  addCached({ cachedTokens }: EngineUsage): void {
    this.#cachedTokens += cachedTokens;
  }

  get value(): Usage {
    return {
      prompt_tokens: this.#promptTokens,
      completion_tokens: this.#completionTokens,
      total_tokens: this.#promptTokens + this.#completionTokens,
      prompt_tokens_details: { cached_tokens: this.#cachedTokens },
    };
  }
}
