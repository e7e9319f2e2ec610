// Token ids of one sequence to text, piece by piece: never half a character, never text that a later token changes.
// The pieces joined are the text of all ids at once, because both take this way.

export class Detokenizer {
  readonly #bytesOf: (id: number) => Uint8Array;
  // Keeps an unfinished character back until its last byte comes.
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  #stripLeadingSpace: boolean;

  constructor({
    bytesOf,
    stripLeadingSpace,
  }: { bytesOf: (id: number) => Uint8Array; stripLeadingSpace: boolean }) {
    this.#bytesOf = bytesOf;
    this.#stripLeadingSpace = stripLeadingSpace;
  }

  /** The text that these ids complete; may be empty. */
  push(ids: ArrayLike<number>): string {
    let text = '';
    for (let i = 0; i < ids.length; i++) {
      text += this.#strip(this.#decoder.decode(this.#bytesOf(ids[i]!), { stream: true }));
    }
    return text;
  }

  /** What was kept back, once no more ids come: U+FFFD for an unfinished character. */
  flush(): string {
    return this.#strip(this.#decoder.decode());
  }

  #strip(text: string): string {
    if (!this.#stripLeadingSpace || text === '') return text;
    this.#stripLeadingSpace = false;
    return text.startsWith(' ') ? text.slice(1) : text;
  }
}
