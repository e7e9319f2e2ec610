// Tokens as clients see them in log-probabilities: a text each, its bytes, and finite numbers.

import type { TopLogprob } from '../../engine/engine-types.ts';
import type { Tokenizer } from '../../tokenizer/tokenizer.ts';

/** JSON has no -Infinity; this is what OpenAI's API shows for a token that cannot come. */
const UNLIKELY = -9999;

export const finite = (logprob: number) => (logprob > UNLIKELY ? logprob : UNLIKELY);

export interface TokenNamesOptions {
  readonly tokenizer: Tokenizer;
  /** Show `token_id:123` instead of the text, as vLLM does on request. */
  readonly asIds?: boolean;
}

export class TokenNames {
  readonly #tokenizer: Tokenizer;
  readonly #asIds: boolean;

  constructor({ tokenizer, asIds = false }: TokenNamesOptions) {
    this.#tokenizer = tokenizer;
    this.#asIds = asIds;
  }

  /** The text of one token; one that is no whole character alone shows its bytes, as `bytes:\xe2\x80`. */
  name(id: number): string {
    if (this.#asIds) return `token_id:${id}`;
    const text = this.#tokenizer.textOf(id);
    if (!text.includes('\ufffd')) return text;
    const hex = [...this.#tokenizer.bytesOf(id)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`);
    return hex.length === 0 ? text : `bytes:${hex.join('')}`;
  }

  /** UTF-8 bytes of a token's part in the text; null for one that controls the model and has none. */
  bytes(id: number): number[] | null {
    return this.#tokenizer.isSpecial(id) ? null : [...this.#tokenizer.bytesOf(id)];
  }

  /**
   * {name: log-probability}, best first. Every token keeps a key of its own: where two have the same text, the less
   * probable one is named by its id, so that no value is lost.
   */
  table(top: readonly TopLogprob[]): Record<string, number> {
    // Without a prototype, so that a token "__proto__" is a key like any other.
    const table = Object.create(null) as Record<string, number>;
    for (const { tokenId, logprob } of top) {
      const name = this.name(tokenId);
      table[Object.hasOwn(table, name) ? `token_id:${tokenId}` : name] = finite(logprob);
    }
    return table;
  }
}
