// The options of one start: flags before environment before file before defaults. Each value is judged by the schema, and
// an error names where the value stood. A name that nobody knows is an error with a suggestion.
import { readFileSync } from 'node:fs';
import { AtomError, reasonOf } from '../errors.ts';
import { type OptionFacts, optionFacts, type ServerOptions, serverOptions } from './options.ts';

export interface OptionSources {
  /** By the option's name; only what was given. */
  readonly flags?: Readonly<Record<string, unknown>>;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Path of a JSON file with options by name; without it, the variable ATOM_CONFIG names one. */
  readonly file?: string;
}

const fileVariable = 'ATOM_CONFIG';

/** Throws `bad-option` for an unknown name or a bad value. */
export function readServerOptions({
  flags = {},
  environment = {},
  ...sources
}: OptionSources): ServerOptions {
  refuseMisspelt(environment);
  const file = sources.file ?? (environment[fileVariable] || undefined);
  const fromFile = file === undefined ? {} : readFile(file);
  const entries = optionFacts.map((option) => {
    const candidates: [unknown, string][] = [
      [flags[option.name], option.flag],
      [environment[option.variable], option.variable],
      [fromFile[option.name], `"${option.name}" in ${file}`],
    ];
    const given = candidates.find(([value]) => value !== undefined && value !== '');
    return [option.name, given === undefined ? undefined : judge(option, ...given)];
  });
  return serverOptions.parse(Object.fromEntries(entries));
}

function judge(option: OptionFacts, value: unknown, source: string): unknown {
  const result = serverOptions.shape[option.name].safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new AtomError('bad-option', `${source}: ${issue!.message}, not ${JSON.stringify(value)}`);
}

function readFile(path: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new AtomError('bad-option', `the configuration ${path} cannot be read: ${reasonOf(error)}`, {
      cause: error,
    });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new AtomError('bad-option', `the configuration ${path} does not hold a JSON object`);
  checkNames(value, path);
  return value as Record<string, unknown>;
}

/** Throws `bad-option` for a name that is no option's, or one of `others`. `place`: where the names stand. */
export function checkNames(options: object, place: string, others: readonly string[] = []): void {
  const names: string[] = optionFacts.map(({ name }) => name).filter((name) => !others.includes(name));
  for (const key of Object.keys(options)) {
    if (names.includes(key)) continue;
    throw new AtomError('bad-option', `${place}: "${key}" is not an option${suggestion(key, names)}`);
  }
}

/** A variable that is almost one of ours is a slip; others of the prefix belong to other parts. */
function refuseMisspelt(environment: Readonly<Record<string, string | undefined>>): void {
  const known = [fileVariable, ...optionFacts.map(({ variable }) => variable)];
  for (const name of Object.keys(environment)) {
    if (!name.startsWith('ATOM_') || known.includes(name)) continue;
    const hint = suggestion(name, known);
    if (hint !== '') throw new AtomError('bad-option', `the variable ${name} is not an option${hint}`);
  }
}

function suggestion(name: string, known: readonly string[]): string {
  const [best] = known
    .map((candidate) => ({ candidate, edits: editDistance(name.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.edits - b.edits);
  return best !== undefined && best.edits <= 2 ? `; did you mean ${best.candidate}?` : '';
}

/** Insertions, deletions, replacements and swaps of neighbours between two names (Damerau, 1964). */
function editDistance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const above = rows[i - 1]!;
      const replaced = above[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row.push(
        Math.min(above[j]! + 1, row[j - 1]! + 1, replaced, swapped ? rows[i - 2]![j - 2]! + 1 : replaced),
      );
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}
