// Tokens as clients see them in log-probabilities: a text each, its bytes, and finite numbers. All of it as JSON text, made
// once for each token of a request: candidates come again and again.

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
  readonly #names = new Map<number, string>();
  readonly #bytes = new Map<number, string>();

  constructor({ tokenizer, asIds = false }: TokenNamesOptions) {
    this.#tokenizer = tokenizer;
    this.#asIds = asIds;
  }

  /** The text of one token, as JSON; one that is no whole character alone shows its bytes, as `bytes:\xe2\x80`. */
  name(id: number): string {
    const known = this.#names.get(id);
    if (known !== undefined) return known;
    const name = JSON.stringify(this.#nameOf(id));
    this.#names.set(id, name);
    return name;
  }

  /** UTF-8 bytes of a token's part in the text, as JSON; null for one that controls the model and has none. */
  bytes(id: number): string {
    const known = this.#bytes.get(id);
    if (known !== undefined) return known;
    const bytes = this.#tokenizer.isSpecial(id) ? 'null' : `[${this.#tokenizer.bytesOf(id).join(',')}]`;
    this.#bytes.set(id, bytes);
    return bytes;
  }

  /**
   * {name: log-probability} as JSON, best first. Every token keeps a key of its own: where two have the same text, the less
   * probable one is named by its id, so that no value is lost.
   */
  table(top: readonly TopLogprob[]): string {
    const taken = new Set<string>();
    const entries = top.map(({ tokenId, logprob }) => {
      const name = this.name(tokenId);
      const key = taken.has(name) ? `"token_id:${tokenId}"` : name;
      taken.add(key);
      return `${key}:${finite(logprob)}`;
    });
    return `{${entries.join(',')}}`;
  }

  #nameOf(id: number): string {
    if (this.#asIds) return `token_id:${id}`;
    const text = this.#tokenizer.textOf(id);
    if (!text.includes('\ufffd')) return text;
    const hex = [...this.#tokenizer.bytesOf(id)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`);
    return hex.length === 0 ? text : `bytes:${hex.join('')}`;
  }
}
