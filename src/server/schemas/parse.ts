// A body against its schema: the typed value, or one error that names the first wrong field in OpenAI's words.
import type { z } from 'zod';
import { RequestError } from '../openai-errors.ts';

/** null means the same as absence: clients send both. */
export const optional = <S extends z.ZodType>(schema: S) =>
  schema.nullish().transform((value) => value ?? undefined);

/** Throws `bad-request` with `param`. */
export function parseBody<S extends z.ZodType>(schema: S, body: unknown): z.output<S> {
  const result = judged(schema, body);
  if (result.success) return result.data;
  throw toRequestError(deepest(result.error.issues[0]!));
}

/** The library lists every mistake, and breaks over a list longer than the arguments of one call may be. */
function judged<S extends z.ZodType>(schema: S, body: unknown): z.ZodSafeParseResult<z.output<S>> {
  try {
    return schema.safeParse(body);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new RequestError('bad-request', 'the body has too many mistakes to name one', { cause });
  }
}

type Issue = z.core.$ZodIssue;

/** Of a union's branches the one that came furthest says best what is wrong. */
function deepest(issue: Issue): Issue {
  if (issue.code !== 'invalid_union' || issue.message !== 'Invalid input') return issue;
  const inner = issue.errors
    .flatMap((branch) => branch.slice(0, 1))
    .map((child) => deepest({ ...child, path: [...issue.path, ...child.path] } as Issue));
  return inner.reduce(
    (best, child) => (child.path.length > best.path.length ? child : best),
    inner[0] ?? issue,
  );
}

function toRequestError(issue: Issue): RequestError {
  if (issue.code === 'unrecognized_keys') return invalid('', issue.message, 'invalid_value');
  const param = pathText(issue.path);
  if (param === '') return invalid('', 'the body must be a JSON object', 'invalid_type');
  if (issue.code === 'invalid_type' && issue.message.endsWith('received undefined')) {
    return new RequestError('bad-request', `Missing required parameter: '${param}'.`, {
      param,
      openaiCode: 'missing_required_parameter',
    });
  }
  return invalid(param, issue.message, issue.code === 'invalid_type' ? 'invalid_type' : 'invalid_value');
}

function invalid(param: string, message: string, openaiCode: string): RequestError {
  const what = param === '' ? message : `Invalid '${param}': ${message}`;
  return new RequestError('bad-request', what.endsWith('.') ? what : `${what}.`, {
    ...(param !== '' && { param }),
    openaiCode,
  });
}

/** `messages[0].content` */
function pathText(path: readonly PropertyKey[]): string {
  return path
    .map((key, i) => (typeof key === 'number' ? `[${key}]` : `${i === 0 ? '' : '.'}${String(key)}`))
    .join('');
}
