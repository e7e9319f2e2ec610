import { expect, test } from 'vitest';
import { AtomError, errorCodes, reasonOf } from '../src/errors.ts';

test.each(errorCodes)('%s has an HTTP status and an exit code, and keeps its cause', (code) => {
  const cause = new Error('below');
  const error = new AtomError(code, 'a sentence', { cause });
  expect(error.status).toBeGreaterThanOrEqual(400);
  expect(error.status).toBeLessThan(600);
  expect(error.exitCode).toBeGreaterThan(0);
  expect(error.cause).toBe(cause);
  expect(reasonOf(error)).toBe('a sentence');
});

test('what is thrown but no error has a sentence too', () => {
  expect(reasonOf('text')).toBe('text');
});
