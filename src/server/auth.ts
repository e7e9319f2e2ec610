// API keys: several, compared in constant time. Without any, everybody may do everything.
// It decides who somebody is; which routes need a key is said by `app.ts`.
import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { AtomError, reasonOf } from '../errors.ts';
import { RequestError } from './openai-errors.ts';

export interface Caller {
  /** Eight hexadecimal digits of the key's hash, for logs and limits; `anonymous` where no key is needed. */
  readonly id: string;
}

const anonymous: Caller = { id: 'anonymous' };

export class ApiKeys {
  // Of hashes all lengths are equal, so that not even a key's length shows in the time taken.
  readonly #hashes: readonly Buffer[];

  constructor(keys: readonly string[]) {
    this.#hashes = keys.map(hash);
  }

  get required(): boolean {
    return this.#hashes.length > 0;
  }

  /** Throws `unauthorized` unless `authorization` is `Bearer` and one of the keys. */
  identify(authorization: string | undefined): Caller {
    if (!this.required) return anonymous;
    if (authorization === undefined) {
      throw new RequestError(
        'unauthorized',
        'this server needs an API key: send it as "Authorization: Bearer KEY"',
      );
    }
    const key = /^Bearer +(\S+) *$/i.exec(authorization)?.[1] ?? '';
    const given = hash(key);
    let known = false;
    // All are compared, also after a match.
    for (const candidate of this.#hashes) known = timingSafeEqual(candidate, given) || known;
    if (!known) throw new RequestError('unauthorized', 'the API key is not one of this server');
    return { id: given.toString('hex', 0, 4) };
  }
}

const hash = (key: string) => createHash('sha256').update(key).digest();

/** Keys of a file: one per line; empty lines and lines that begin with # are skipped. Throws `bad-option`. */
export function readKeyFile(path: string): string[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new AtomError('bad-option', `the API key file ${path} cannot be read: ${reasonOf(error)}`, {
      cause: error,
    });
  }
  const keys = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  const malformed = keys.findIndex((key) => /\s/.test(key));
  if (malformed >= 0)
    throw new AtomError('bad-option', `the API key file ${path} has a key with a space in it; one per line`);
  if (keys.length === 0) throw new AtomError('bad-option', `the API key file ${path} holds no key`);
  return keys;
}
