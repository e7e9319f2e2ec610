// Character classes beyond ASCII, spelled out: xgrammar 0.1.27 compares the members of `[äöü]` with single bytes of UTF-8,
// and so allows half characters. Written as `("ä" | "ö" | "ü")` they are whole.
// It reads xgrammar's own notation, in which strings and classes have escapes and classes know no names.
import { AtomError } from '../../errors.ts';

/** Most characters that all classes of a grammar may be spelled out to. */
const MOST_CHARACTERS = 4096;

/** The rules with every class that holds a character beyond ASCII spelled out. Throws `bad-request` where these are too many. */
export function spellWideClasses(rules: string): string {
  let spelled = 0;
  // A string, skipped as it is, or a class.
  return rules.replace(/"(?:\\.|[^"\\])*"|\[(?:\\.|[^\]\\])*\]/gsu, (part) => {
    if (part.startsWith('"') || part.startsWith('[^')) return part;
    const ranges = rangesOf(part.slice(1, -1));
    const wide = ranges.filter(([, last]) => last > 0x7f);
    if (wide.length === 0) return part;
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
    const narrow = ranges
      .filter(([first]) => first <= 0x7f)
      .map(([first, last]) => `${escaped(first)}-${escaped(Math.min(last, 0x7f))}`);
    return `(${[...(narrow.length > 0 ? [`[${narrow.join('')}]`] : []), ...characters].join(' | ')})`;
  });
}

/** Code points, first and last of each member. */
function rangesOf(members: string): [number, number][] {
  const points = [...members.matchAll(/\\U(.{8})|\\u(.{4})|\\x(..)|\\(.)|(.)/gsu)].map((match) => {
    const [, long, short, byte, letter, plain] = match;
    const hex = long ?? short ?? byte;
    if (hex !== undefined) return { point: Number.parseInt(hex, 16), isDash: false };
    const text = letter === undefined ? plain! : (controls[letter] ?? letter);
    return { point: text.codePointAt(0)!, isDash: plain === '-' };
  });
  const ranges: [number, number][] = [];
  for (let i = 0; i < points.length; i++) {
    const first = points[i]!.point;
    const isRange = points[i + 1]?.isDash === true && i + 2 < points.length;
    ranges.push([first, isRange ? points[i + 2]!.point : first]);
    if (isRange) i += 2;
  }
  return ranges;
}

const controls: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '0': '\0' };

const escaped = (point: number) => `\\U${point.toString(16).padStart(8, '0')}`;
