// Finds stop strings in text that comes in pieces, and keeps back what may yet become one.
// One automaton per stop string (Knuth, Morris and Pratt, 1977): linear time, however the text is cut.

export interface StopResult {
  /** Text that is certain to be before any stop string. */
  readonly text: string;
  /** The stop string that was found; nothing may be pushed after it. */
  readonly stopped?: string;
}

interface Automaton {
  readonly pattern: string;
  /** fallback[n]: the longest proper prefix of the pattern that ends its first n units. */
  readonly fallback: Int32Array;
  matched: number;
}

export class StopStrings {
  readonly #automata: readonly Automaton[];
  #held = '';

  constructor(stops: readonly string[]) {
    this.#automata = stops.filter((stop) => stop !== '').map(automatonOf);
  }

  push(piece: string): StopResult {
    if (this.#automata.length === 0) return { text: piece };
    const text = this.#held + piece;
    for (let at = this.#held.length; at < text.length; at++) {
      // Of stop strings that end at the same unit the longest begins first.
      let found: Automaton | undefined;
      for (const automaton of this.#automata) {
        advance(automaton, text[at]!);
        const complete = automaton.matched === automaton.pattern.length;
        if (complete && automaton.pattern.length > (found?.pattern.length ?? 0)) found = automaton;
      }
      if (found) {
        this.#held = '';
        return { text: text.slice(0, at + 1 - found.pattern.length), stopped: found.pattern };
      }
    }
    const keep = Math.max(...this.#automata.map(({ matched }) => matched));
    this.#held = text.slice(text.length - keep);
    return { text: text.slice(0, text.length - keep) };
  }

  /** What was kept back, once no more text comes. */
  flush(): string {
    const held = this.#held;
    this.#held = '';
    return held;
  }
}

function automatonOf(pattern: string): Automaton {
  const fallback = new Int32Array(pattern.length + 1);
  for (let n = 1, matched = 0; n < pattern.length; n++) {
    while (matched > 0 && pattern[n] !== pattern[matched]) matched = fallback[matched]!;
    if (pattern[n] === pattern[matched]) matched++;
    fallback[n + 1] = matched;
  }
  return { pattern, fallback, matched: 0 };
}

function advance(automaton: Automaton, unit: string): void {
  const { pattern, fallback } = automaton;
  while (automaton.matched > 0 && pattern[automaton.matched] !== unit) {
    automaton.matched = fallback[automaton.matched]!;
  }
  if (pattern[automaton.matched] === unit) automaton.matched++;
}
