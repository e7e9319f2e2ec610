// The clean-up of spaces before punctuation and English contractions that transformers does after decoding,
// for a text that arrives in pieces. Off unless asked for: it also rewrites code and quotations.

/** The replacements, in this order, each over the whole text. */
const rules: readonly (readonly [string, string])[] = [
  [' .', '.'],
  [' ?', '?'],
  [' !', '!'],
  [' ,', ','],
  [" ' ", "'"],
  [" n't", "n't"],
  [" 'm", "'m"],
  [" 's", "'s"],
  [" 've", "'ve"],
  [" 're", "'re"],
];

/** What no rule reads, writes or removes: a text falls into independent parts there. */
const neutral = /[^ .?!,'ntmsver]/;
const lastNeutral = /[^ .?!,'ntmsver][ .?!,'ntmsver]*$/;

const clean = (text: string) => rules.reduce((cleaned, [from, to]) => cleaned.replaceAll(from, to), text);

export class CleanUp {
  /** Parts of the text since its last neutral character: what comes may still change them. */
  #held: string[] = [];

  /** Adds to the text and returns what has become certain. */
  push(piece: string): string {
    if (!neutral.test(piece)) {
      if (piece !== '') this.#held.push(piece);
      return '';
    }
    const cut = piece.search(lastNeutral) + 1;
    const certain = this.#held.join('') + piece.slice(0, cut);
    this.#held = cut < piece.length ? [piece.slice(cut)] : [];
    return clean(certain);
  }

  flush(): string {
    const rest = clean(this.#held.join(''));
    this.#held = [];
    return rest;
  }
}
