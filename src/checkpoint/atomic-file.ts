// A file that appears under its name only when it is complete: written beside it, flushed, then renamed.
// A kill at any moment leaves the old file or none, and at most one `.partial`, which the next attempt overwrites.
// It knows nothing of what is written.
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { AtomError, reasonOf } from '../errors.ts';

/** Node writes at most 2^31 - 1 bytes at once. */
const MAX_WRITE = 2 ** 30;

export class AtomicFile implements Disposable {
  readonly path: string;
  readonly #partial: string;
  #fd: number | undefined;

  /** Throws `io`. */
  constructor(path: string) {
    this.path = path;
    this.#partial = `${path}.partial`;
    this.#fd = this.#attempt(() => openSync(this.#partial, 'w'));
  }

  /** Throws `io`, for instance when the disk is full. */
  writeAt(position: number, bytes: Uint8Array): void {
    this.#attempt(() => {
      for (let done = 0; done < bytes.byteLength; ) {
        const count = Math.min(bytes.byteLength - done, MAX_WRITE);
        done += writeSync(this.#open(), bytes, done, count, position + done);
      }
    });
  }

  /** Puts the file in its place, durably. Throws `io`. */
  commit(): void {
    this.#attempt(() => {
      fsyncSync(this.#open());
      this.#close();
      renameSync(this.#partial, this.path);
      flushFolder(dirname(this.path));
    });
  }

  /** Without a commit before it: forgets what was written. */
  [Symbol.dispose](): void {
    if (this.#fd === undefined) return;
    this.#close();
    rmSync(this.#partial, { force: true });
  }

  #open(): number {
    if (this.#fd === undefined)
      throw new AtomError('internal', `${this.path} was written to after it was closed`);
    return this.#fd;
  }

  #close(): void {
    const fd = this.#open();
    this.#fd = undefined;
    closeSync(fd);
  }

  #attempt<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      if (error instanceof AtomError) throw error;
      throw new AtomError('io', `cannot write ${this.path}: ${reasonOf(error)}`, { cause: error });
    }
  }
}

/** Writes a whole text file in one step. Throws `io`. */
export function writeTextFile(path: string, text: string): void {
  using file = new AtomicFile(path);
  file.writeAt(0, Buffer.from(text));
  file.commit();
}

/** A rename is durable once its folder is flushed. */
function flushFolder(dir: string): void {
  const fd = openSync(dir, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
