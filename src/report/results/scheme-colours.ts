// One colour for each scheme, in all drawings; other engines are grey.
import type { LegendEntry } from './drawing.ts';

const colours: readonly (readonly [start: string, colour: string])[] = [
  ['W4A4', 'c1'],
  ['W4A8', 'c3'],
  ['W8A8', 'c2'],
  ['W4A16', 'c4'],
  ['W16A16', 'c0'],
];

/** For a name that begins with a scheme, such as 'W4A4KV4'. */
export function schemeEntry(name: string): LegendEntry {
  const found = colours.find(([start]) => name.startsWith(start));
  return found ? { name, colour: found[1] } : { name, colour: 'peer', dashed: true };
}
