// What was set as a goal before it was measured, beside what was measured: met or missed. Short runs are not judged.
import { fixed, percent } from '../format.ts';
import { table } from './page-parts.ts';

export interface Goal {
  readonly what: string;
  readonly measured: number;
  readonly goal: number;
  readonly unit: 'percent' | 'times' | 'ms';
  /** Less is better. */
  readonly atMost?: boolean;
}

const units: Readonly<Record<Goal['unit'], (value: number, decimals: number) => string>> = {
  percent: percent,
  times: (value, decimals) => `${fixed(value, decimals)}x`,
  ms: (value, decimals) => `${fixed(value, decimals)} ms`,
};

/** Both in so many digits that the one that misses the other does not look like it, and that what is little is not nothing. */
function texts({ unit, goal, measured }: Goal): [goal: string, measured: string] {
  const show = (decimals: number): [string, string] => [
    units[unit](goal, decimals),
    units[unit](measured, decimals),
  ];
  const told = ([a, b]: [string, string]) =>
    (a !== b || goal === measured) && (measured === 0 || /[1-9]/.test(b));
  const first = [1, 2, 3].map(show).find(told);
  return first ?? show(3);
}

export const isMet = ({ measured, goal, atMost = false }: Goal): boolean =>
  atMost ? measured <= goal : measured >= goal;

/** Nothing for short runs, and of goals whose figures were not measured. */
export function goalTable(goals: readonly Goal[], { short }: { short: boolean }): string[] {
  const known = goals.filter(({ measured }) => Number.isFinite(measured));
  if (short || known.length === 0) return [];
  const rows = known.map((each) => {
    const [goal, measured] = texts(each);
    return [each.what, `${each.atMost ? '≤' : '≥'} ${goal}`, measured, isMet(each) ? 'met' : '**missed**'];
  });
  return [table(['goal', 'set', 'measured', ''], rows, [3])];
}

/** The goals of several runs in one table. */
export function goalTableOf<Result extends { readonly short: boolean }>(
  results: readonly Result[],
  goalsOf: (result: Result) => readonly Goal[],
): string[] {
  return goalTable(results.filter(({ short }) => !short).flatMap(goalsOf), { short: false });
}

/** NaN of nothing, so that a goal without figures is left out. */
export const least = (values: readonly number[]): number =>
  values.length === 0 ? Number.NaN : Math.min(...values);

export const greatest = (values: readonly number[]): number =>
  values.length === 0 ? Number.NaN : Math.max(...values);

export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
