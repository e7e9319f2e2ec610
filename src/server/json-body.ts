// Reads a request's body: JSON in valid UTF-8, not compressed, nested no deeper than anything sensible.
// It knows no field; what a route expects of the parsed value is its schema's matter.
import { isUtf8 } from 'node:buffer';
import type { FastifyInstance } from 'fastify';
import { AtomError, reasonOf } from '../errors.ts';
import { RequestError } from './openai-errors.ts';

/** Schemas, templates and serializers walk values recursively; this keeps a body from overflowing their stack. */
const MAX_DEPTH = 64;
/** As many as a large vocabulary's biases; checking each against a schema takes microseconds. */
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
  checkShape(body);
  let value: unknown;
  try {
    // Some programs for Windows begin with a mark, which is no JSON (RFC 8259, section 8.1).
    const start = body.subarray(0, 3).equals(byteOrderMark) ? 3 : 0;
    value = JSON.parse(body.toString('utf8', start));
  } catch (error) {
    throw new AtomError('bad-request', `the body is not valid JSON: ${reasonOf(error)}`, { cause: error });
  }
  if (prototypeSpellings.some((spelling) => body.includes(spelling))) refusePrototypes(value);
  return value;
}

/** Reads the bytes before anything is made of them: objects of 400,000 fields take a second to make and to look through. */
function checkShape(body: Buffer): void {
  let depth = 0;
  let fields = 0;
  for (let at = 0; at < body.length; at++) {
    switch (body[at]) {
      case QUOTE:
        at = endOfString(body, at);
        break;
      case OPEN_BRACE:
      case OPEN_BRACKET:
        if (++depth > MAX_DEPTH + 1)
          throw new AtomError('bad-request', `the body is nested more than ${MAX_DEPTH} levels deep`);
        break;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        depth--;
        break;
      case COLON:
        if (++fields > MAX_FIELDS)
          throw new AtomError('bad-request', `the body has more than ${MAX_FIELDS} fields`);
        break;
    }
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const [OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET] = [0x7b, 0x7d, 0x5b, 0x5d];

/** The place of the quote that closes the string opened at `start`; the end where none does. */
function endOfString(body: Buffer, start: number): number {
  for (let at = body.indexOf(QUOTE, start + 1); at >= 0; at = body.indexOf(QUOTE, at + 1)) {
    let backslashes = 0;
    while (body[at - 1 - backslashes] === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return at;
  }
  return body.length;
}

/** As it is, or with letters as escapes. */
const prototypeSpellings = ['__proto__', '\\u00'];

/** The key `__proto__` would change objects built from the one that has it. Level by level, without recursion. */
function refusePrototypes(value: unknown): void {
  for (let level = [value]; level.length > 0; ) {
    const next: unknown[] = [];
    for (const item of level) {
      if (typeof item !== 'object' || item === null) continue;
      if (Object.hasOwn(item, '__proto__'))
        throw new AtomError('bad-request', 'the body has a field named "__proto__"');
      for (const field of Object.values(item)) if (typeof field === 'object') next.push(field);
    }
    level = next;
  }
}
