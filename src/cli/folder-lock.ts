// One process at a time for a folder: a lock file beside it holds the owner's process id, so that a lock whose owner was
// killed is seen to be stale and taken over. For processes of one machine.
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { AtomError, reasonOf } from '../errors.ts';

const POLL_MILLISECONDS = 200;

/** Waits while another living process has the folder, and says so once. Throws `io`. */
export async function lockFolder(folder: string): Promise<Disposable> {
  const file = `${folder}.lock`;
  for (let told = false; !take(file); told = true) {
    const owner = ownerOf(file);
    if (owner === undefined) continue;
    if (!told) console.error(`atom: waiting for process ${owner}, which works on ${folder} (${file})`);
    await delay(POLL_MILLISECONDS);
  }
  return { [Symbol.dispose]: () => rmSync(file, { force: true }) };
}

/** Linked under its name when it is written: nobody reads a lock without an owner. */
function take(file: string): boolean {
  const own = `${file}.${process.pid}`;
  try {
    writeFileSync(own, String(process.pid));
    linkSync(own, file);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw new AtomError('io', `cannot write ${file}: ${reasonOf(error)}`, { cause: error });
  } finally {
    rmSync(own, { force: true });
  }
}

/** The living owner of a lock; undefined where the lock is gone, or was stale and is removed now. */
function ownerOf(file: string): number | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
  const owner = Number(text);
  if (isRunning(owner)) return owner;
  removeStale(file, text);
  return undefined;
}

/** Of several that find a lock stale one moves it away; whoever moved a fresh one instead puts it back. */
function removeStale(file: string, text: string): void {
  const away = `${file}.${process.pid}`;
  try {
    renameSync(file, away);
    if (readFileSync(away, 'utf8') !== text) linkSync(away, file);
  } catch {
    // Another was faster.
  } finally {
    rmSync(away, { force: true });
  }
}

/** In a container a killed process and its successor have the same id: our own in a lock is a dead one's. */
function isRunning(owner: number): boolean {
  if (!Number.isInteger(owner) || owner <= 0 || owner === process.pid) return false;
  try {
    process.kill(owner, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
