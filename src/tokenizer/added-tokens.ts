// Finds added tokens in a text: leftmost first, the longest of those that begin together.
// They are looked for in the text as given: the makers' library looks for some in normalised text, where a
// prefix that the normaliser adds hides them. It knows nothing of what the text between them becomes.
import type { AddedToken } from './vocabulary.ts';

/** What lies between added tokens, or one of them. */
export type Section =
  | { readonly text: string; readonly start: number }
  | { readonly id: number; readonly start: number };

export class AddedTokenFinder {
  readonly #byContent: ReadonlyMap<string, AddedToken>;
  readonly #all: RegExp | undefined;
  readonly #plain: RegExp | undefined;

  constructor(tokens: readonly AddedToken[]) {
    this.#byContent = new Map(tokens.map((token) => [token.content, token]));
    this.#all = patternOf(tokens);
    this.#plain = patternOf(tokens.filter(({ special }) => !special));
  }

  /** Cuts `text` at its added tokens; special ones stay text unless `parseSpecial`. Empty texts are left out. */
  *sections(text: string, { parseSpecial }: { parseSpecial: boolean }): Generator<Section> {
    const pattern = parseSpecial ? this.#all : this.#plain;
    let at = 0;
    for (const match of pattern === undefined ? [] : text.matchAll(pattern)) {
      const token = this.#byContent.get(match[0])!;
      const end = match.index + match[0].length;
      if (token.singleWord && (endsInWord(text, match.index) || startsWord(text, end))) continue;
      const before = text.slice(at, match.index);
      const kept = token.lstrip ? before.trimEnd() : before;
      if (kept !== '') yield { text: kept, start: at };
      yield { id: token.id, start: match.index };
      at = Math.max(at, token.rstrip ? text.length - text.slice(end).trimStart().length : end);
    }
    if (at < text.length) yield { text: text.slice(at), start: at };
  }
}

function patternOf(tokens: readonly AddedToken[]): RegExp | undefined {
  return tokens.length === 0 ? undefined : new RegExp(patternSource(tokens), 'g');
}

/** An alternation takes the first branch that fits: with the longest first, the longest token. */
export function patternSource(tokens: readonly AddedToken[]): string {
  const contents = tokens.map(({ content }) => content).sort((a, b) => b.length - a.length);
  return contents.map((content) => content.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')).join('|');
}

const endsInWord = (text: string, at: number) => /[\p{L}\p{N}_]$/u.test(text.slice(Math.max(0, at - 2), at));
const startsWord = (text: string, at: number) => /^[\p{L}\p{N}_]/u.test(text.slice(at, at + 2));
