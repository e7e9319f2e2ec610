// Keeps what users write from being read as control tokens: in the data given to a chat template, each special
// token's string is broken by a guard character, which encoding takes out again after it has looked for tokens.
// Works with any template, since the guard passes through it like a letter.
import { patternSource } from './added-tokens.ts';
import type { AddedToken } from './vocabulary.ts';

/** Unicode's noncharacters, never meant for interchange: one that the data does not hold is the guard. */
const candidates = Array.from({ length: 32 }, (_, i) => String.fromCharCode(0xfdd0 + i));

/** A copy of plain `data` whose texts hold no special token, only pieces with `guard` between them. */
export function guardContent<T>(data: T, tokens: readonly AddedToken[]): { guarded: T; guard: string } {
  const all = JSON.stringify(data);
  // Should some text hold all 32, the first is taken out of it: nothing readable is lost.
  const guard = candidates.find((candidate) => !all.includes(candidate)) ?? candidates[0]!;
  const special = tokens.filter((token) => token.special);
  // Looks ahead, so that tokens that overlap are all broken. One of a single character cannot be.
  const starts = special.length === 0 ? undefined : new RegExp(`(?=${patternSource(special)}).`, 'gsu');
  const protect = (text: string) => {
    const clean = text.replaceAll(guard, '');
    return starts === undefined ? clean : clean.replace(starts, (first) => first + guard);
  };
  return { guarded: mapTexts(data, protect) as T, guard };
}

function mapTexts(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === 'string') return change(value);
  if (Array.isArray(value)) return value.map((item) => mapTexts(item, change));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [change(key), mapTexts(item, change)]),
  );
}
