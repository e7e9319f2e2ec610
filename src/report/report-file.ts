// A report as the JSON that stands beside its HTML, to be drawn again or read by other programs. JSON has no word for a
// number that is none: it is written as null and read as NaN. Must not touch files.
import { AtomError, reasonOf } from '../errors.ts';
import type { Report } from './types.ts';

const kinds: readonly string[] = ['quantization', 'ladder', 'compare', 'bench'] satisfies Report['kind'][];

/** Six significant digits of what is no whole number: more than is drawn, and a file a third as long. */
export function reportJson(report: Report): string {
  return `${JSON.stringify(report, (_key, value: unknown) =>
    typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value,
  )}\n`;
}

/** What `reportJson` wrote. Throws `bad-option` for text that is no report. */
export function parseReport(text: string): Report {
  let value: unknown;
  try {
    value = JSON.parse(text, (_key, part: unknown) => (part === null ? Number.NaN : part));
  } catch (error) {
    throw new AtomError('bad-option', `a report must be JSON: ${reasonOf(error)}`, { cause: error });
  }
  const kind = typeof value === 'object' && value !== null && 'kind' in value ? value.kind : undefined;
  if (typeof kind !== 'string' || !kinds.includes(kind)) {
    throw new AtomError(
      'bad-option',
      `a report's kind is one of ${kinds.join(', ')}; this has ${String(kind)}`,
    );
  }
  return value as Report;
}
