// Texts that commands read: a file, or one clear sentence about why not.
import { readFileSync } from 'node:fs';
import { AtomError, reasonOf } from '../errors.ts';

/** Throws `io` naming the file and the option that names another. */
export function readText(file: string, option: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new AtomError(
      'io',
      `the text ${file} cannot be read (${reasonOf(cause)}); name one with ${option}`,
      { cause },
    );
  }
}
