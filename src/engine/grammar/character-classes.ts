// Character classes of xgrammar 0.1.27 set right, in two ways. It compares the members of `[äöü]` with single bytes of UTF-8,
// and so allows half characters: written as `("ä" | "ö" | "ü")` they are whole. And it takes the pattern of a JSON string as
// it stands, so that `.` allows the quote that ends the string: here such classes leave out what JSON has escaped.
// It reads xgrammar's own notation, in which strings and classes have escapes and classes know no names.
import { AtomError } from '../../errors.ts';

/** Most characters that all classes of a grammar may be spelled out to. */
const MOST_CHARACTERS = 4096;
const LAST_POINT = 0x10ffff;

type Range = readonly [first: number, last: number];

/** What stands in a JSON string only behind a backslash (RFC 8259, section 7), merged and in order. */
const escapedInJson: readonly Range[] = [
  [0, 0x1f],
  [0x22, 0x22],
  [0x5c, 0x5c],
];

export interface SpellOptions {
  /** The rules are those of a JSON Schema: classes stand within strings. */
  readonly inJson?: boolean;
}

/** The rules with their classes set right. Throws `bad-request` where too many characters would have to be spelled out. */
export function spellClasses(rules: string, { inJson = false }: SpellOptions = {}): string {
  let spelled = 0;
  const spell = (part: string, forbidden: readonly Range[]): string => {
    // A string, as it is.
    if (part.startsWith('"')) return part;
    if (part.startsWith('[^'))
      return forbidden.length === 0 ? part : `${part.slice(0, -1)}${list(forbidden)}]`;
    const given = merged(rangesOf(part.slice(1, -1)));
    const ranges = without(given, forbidden);
    const wide = ranges.filter(([, last]) => last > 0x7f);
    if (wide.length === 0) return same(given, ranges) ? part : `[${list(ranges)}]`;
    const others = without([[0, LAST_POINT]], ranges);
    // All beyond ASCII is what a negated class of ASCII says.
    if (others.every(([, last]) => last <= 0x7f))
      return others.length === 0 ? '([^a] | "a")' : `[^${list(others)}]`;
    const characters = wide.flatMap(([first, last]) => {
      const low = Math.max(first, 0x80);
      spelled += last - low + 1;
      if (spelled > MOST_CHARACTERS)
        throw new AtomError(
          'bad-request',
          `the grammar's character classes hold more than ${MOST_CHARACTERS} characters beyond ASCII; use a negated class such as [^"]`,
        );
      return Array.from({ length: last - low + 1 }, (_, i) => `"${escaped(low + i)}"`);
    });
    const narrow = without(ranges, [[0x80, LAST_POINT]]);
    return `(${[...(narrow.length > 0 ? [`[${list(narrow)}]`] : []), ...characters].join(' | ')})`;
  };
  return rules
    .split('\n')
    .map((rule) => {
      // xgrammar's own rules of JSON have escapes among them.
      const forbidden = inJson && !rule.startsWith('basic_') ? escapedInJson : [];
      return rule.replace(/"(?:\\.|[^"\\])*"|\[(?:\\.|[^\]\\])*\]/gsu, (part) => spell(part, forbidden));
    })
    .join('\n');
}

const list = (ranges: readonly Range[]) =>
  ranges.map(([first, last]) => `${escaped(first)}-${escaped(last)}`).join('');

const same = (a: readonly Range[], b: readonly Range[]) => list(a) === list(b);

/** In order, those that meet as one. */
function merged(ranges: readonly Range[]): Range[] {
  const result: [number, number][] = [];
  for (const [first, last] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const before = result.at(-1);
    if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else result.push([first, last]);
  }
  return result;
}

/** `ranges` without `others`, both merged and in order. */
function without(ranges: readonly Range[], others: readonly Range[]): Range[] {
  return ranges.flatMap(([first, last]) => {
    const left: Range[] = [];
    let start = first;
    for (const [from, to] of others) {
      if (to < start || from > last) continue;
      if (from > start) left.push([start, from - 1]);
      start = to + 1;
    }
    if (start <= last) left.push([start, last]);
    return left;
  });
}

/** Code points, first and last of each member. */
function rangesOf(members: string): Range[] {
  const points = [...members.matchAll(/\\U(.{8})|\\u(.{4})|\\x(..)|\\(.)|(.)/gsu)].map((match) => {
    const [, long, short, byte, letter, plain] = match;
    const hex = long ?? short ?? byte;
    if (hex !== undefined) return { point: Number.parseInt(hex, 16), isDash: false };
    const text = letter === undefined ? plain! : (controls[letter] ?? letter);
    return { point: text.codePointAt(0)!, isDash: plain === '-' };
  });
  const ranges: Range[] = [];
  for (let i = 0; i < points.length; i++) {
    const first = points[i]!.point;
    const isRange = points[i + 1]?.isDash === true && i + 2 < points.length;
    ranges.push([first, isRange ? points[i + 2]!.point : first]);
    if (isRange) i += 2;
  }
  return ranges;
}

const controls: Readonly<Record<string, string>> = {
  '0': '\0',
  a: '\x07',
  b: '\b',
  e: '\x1b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

const escaped = (point: number) => `\\U${point.toString(16).padStart(8, '0')}`;
