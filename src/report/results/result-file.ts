// One measurement as a file of `results/`: what was run, when, where, on which commit, and what came out. Files are checked
// when they are written and when they are read, so that a page is never drawn from what a run did not measure.
// Must not touch files.
import { z } from 'zod';
import { AtomError, reasonOf } from '../../errors.ts';
import { measurements } from './measurements.ts';

const machine = z.object({
  processor: z.string(),
  cores: z.int().positive(),
  instructionSet: z.string(),
  /** Bytes. */
  memory: z.number().positive(),
  node: z.string(),
  system: z.string(),
});

const resultFile = z
  .object({
    /** Of the file, without .json. */
    name: z.string().regex(/^[a-z0-9.-]+$/),
    title: z.string(),
    /** In the order in which they ran, as a reader of the clone would type them. */
    commands: z.array(z.string()).min(1),
    /** Of the package. */
    version: z.string(),
    commit: z.string().regex(/^[0-9a-f]{7,40}$/),
    /** Sources differed from the commit. */
    modified: z.boolean(),
    date: z.iso.datetime(),
    seconds: z.number().positive(),
    /** A run so short that it shows that everything works, and not how fast. */
    short: z.boolean(),
    machine,
  })
  .and(measurements);

export type ResultFile = z.infer<typeof resultFile>;
export type ResultOf<Kind extends ResultFile['kind']> = Extract<ResultFile, { kind: Kind }>;

/** Checks a result; fields that nothing is drawn from are dropped. `place` is the file, for the message. Throws `bad-result`. */
export function checkResult(value: unknown, place: string): ResultFile {
  const { success, data, error } = resultFile.safeParse(value);
  if (success) return data;
  const [issue] = error.issues;
  const field = issue?.path.join('.') || 'the whole';
  throw new AtomError('bad-result', `${place}: ${field}: ${issue?.message}; measure it again`, {
    cause: error,
  });
}

/** What `resultText` wrote. Throws `bad-result`. */
export function parseResult(text: string, place: string): ResultFile {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new AtomError('bad-result', `${place} is not JSON: ${reasonOf(cause)}; measure it again`, {
      cause,
    });
  }
  return checkResult(value, place);
}

const lineWidth = 140;

/** JSON with six significant digits, a row of figures a line, so that a change shows in a diff. */
export function resultText(result: ResultFile): string {
  return `${layOut(JSON.parse(JSON.stringify(result, sixDigits)), '')}\n`;
}

function sixDigits(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value;
}

function layOut(value: unknown, indent: string): string {
  const compact = JSON.stringify(value);
  const isList = Array.isArray(value);
  if (typeof value !== 'object' || value === null) return compact;
  const isTable = isList && value.some((part) => typeof part === 'object');
  if (!isTable && indent !== '' && indent.length + compact.length <= lineWidth) return compact;
  const inner = `${indent} `;
  const parts = isList
    ? value.map((part) => inner + layOut(part, inner))
    : Object.entries(value).map(([key, part]) => `${inner}${JSON.stringify(key)}: ${layOut(part, inner)}`);
  return `${isList ? '[' : '{'}\n${parts.join(',\n')}\n${indent}${isList ? ']' : '}'}`;
}
