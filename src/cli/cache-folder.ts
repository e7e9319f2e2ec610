// Where this package keeps what it has made and can make again.
import { homedir } from 'node:os';
import { join } from 'node:path';

/** As the XDG Base Directory specification says. */
export function cacheFolder(name: string): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'atom-llm', name);
}
