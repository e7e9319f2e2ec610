// Reads a request's body: JSON in valid UTF-8, not compressed, nested no deeper than anything sensible.
// It knows no field; what a route expects of the parsed value is its schema's matter.
import { isUtf8 } from 'node:buffer';
import type { FastifyInstance } from 'fastify';
import { AtomError, reasonOf } from '../errors.ts';
import { RequestError } from './openai-errors.ts';

/** Schemas, templates and serializers walk values recursively; this keeps a body from overflowing their stack. */
const MAX_DEPTH = 64;
/** More than any vocabulary's biases; checking each against a schema takes microseconds. */
const MAX_FIELDS = 2 ** 17;

export function acceptJsonBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    try {
      refuseCompressed(request.headers['content-encoding']);
      done(null, parseJsonBody(body));
    } catch (error) {
      done(error as Error);
    }
  });
}

/** A few bytes can unpack to any number, so none are unpacked. */
function refuseCompressed(encoding: string | undefined): void {
  if (encoding === undefined || encoding === '' || encoding.toLowerCase() === 'identity') return;
  throw new RequestError(
    'unsupported-media-type',
    `the body must not be compressed (Content-Encoding: ${encoding}); send it as it is`,
  );
}

const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf]);

/** Throws `bad-request` with the place for bytes that are no UTF-8, text that is no JSON, and bottomless nesting. */
export function parseJsonBody(body: Buffer): unknown {
  if (body.length === 0) throw new AtomError('bad-request', 'the body is empty; a JSON object is expected');
  if (!isUtf8(body)) throw new AtomError('bad-request', 'the body is not valid UTF-8');
  let value: unknown;
  try {
    // Some programs for Windows begin with a mark, which is no JSON (RFC 8259, section 8.1).
    const start = body.subarray(0, 3).equals(byteOrderMark) ? 3 : 0;
    value = JSON.parse(body.toString('utf8', start));
  } catch (error) {
    throw new AtomError('bad-request', `the body is not valid JSON: ${reasonOf(error)}`, { cause: error });
  }
  checkShape(value);
  return value;
}

/** Level by level, without recursion. Also refuses the key `__proto__`, which would change objects built from this one. */
function checkShape(value: unknown): void {
  let level = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH)
      throw new AtomError('bad-request', `the body is nested more than ${MAX_DEPTH} levels deep`);
    const next: unknown[] = [];
    for (const item of level) {
      if (typeof item !== 'object' || item === null) continue;
      if (Array.isArray(item)) {
        for (const element of item) if (typeof element === 'object') next.push(element);
        continue;
      }
      if (Object.hasOwn(item, '__proto__'))
        throw new AtomError('bad-request', 'the body has a field named "__proto__"');
      const fields = Object.values(item);
      if (fields.length > MAX_FIELDS)
        throw new AtomError('bad-request', `an object of the body has more than ${MAX_FIELDS} fields`);
      for (const field of fields) if (typeof field === 'object') next.push(field);
    }
    level = next;
  }
}
