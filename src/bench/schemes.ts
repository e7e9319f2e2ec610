// The schemes that are measured against each other: the paper's five, each by the recipe that a user would choose for it.
import { AtomError } from '../errors.ts';
import { presetNamed } from '../quantize/presets.ts';
import type { Recipe } from '../quantize/recipe.ts';

export interface Scheme {
  readonly name: string;
  /** Absent for the plain model in 16 bits. */
  readonly recipe?: Recipe;
}

/** What all others are compared with. */
export const plainScheme: Scheme = { name: 'W16A16KV16' };

export const schemes: readonly Scheme[] = [
  plainScheme,
  { name: 'W8A8KV8', recipe: presetNamed('w8a8') },
  { name: 'W4A16KV16', recipe: presetNamed('w4a16') },
  { name: 'W4A8KV4', recipe: presetNamed('w4a8kv4') },
  { name: 'W4A4KV4', recipe: presetNamed('atom') },
];

/** By its name, or the beginning of it: `w4a4`. Throws `bad-option` with the names there are. */
export function schemeNamed(name: string): Scheme {
  const found = schemes.filter((scheme) => scheme.name.startsWith(name.toUpperCase()));
  if (name !== '' && found.length === 1) return found[0]!;
  const names = schemes.map((scheme) => scheme.name).join(', ');
  throw new AtomError('bad-option', `there is no scheme '${name}'; choose from ${names}`);
}
