// A long text from many small pieces, at little more than its own size: an answer of a million tokens is not a million
// strings until it ends.

/** Pieces that are joined at a time. */
const CHUNK = 1024;

export class TextBuilder {
  readonly #chunks: string[] = [];
  #pieces: string[] = [];
  /** UTF-16 units. */
  length = 0;

  /** `separator`: between this piece and the one before, where there is one. */
  push(piece: string, separator = ''): void {
    if (this.length > 0 && separator !== '') this.#add(separator);
    if (piece !== '') this.#add(piece);
  }

  toString(): string {
    return [...this.#chunks, ...this.#pieces].join('');
  }

  #add(piece: string): void {
    this.length += piece.length;
    if (this.#pieces.push(piece) < CHUNK) return;
    this.#chunks.push(this.#pieces.join(''));
    this.#pieces = [];
  }
}
