// One file from the Hub to this disk: continued where it was left, tried again when the connection drops, and kept
// only if its checksum is right. Two processes that fetch the same file at once may spoil it, which the checksum shows.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { AtomError, reasonOf } from '../errors.ts';
import { type Hub, interrupted, networkReason, PassingFailure, persistently } from './hub.ts';
import { type RemoteFile, refusal } from './repository.ts';

export interface DownloadOptions {
  readonly hub: Hub;
  readonly url: string;
  readonly file: RemoteFile;
  /** Where the complete file goes; `.incomplete` is appended until it is. */
  readonly target: string;
  /** Gets how many bytes of the file are here. */
  readonly onBytes?: (bytes: number) => void;
}

/** Throws `download-failed`, `model-not-found`, `unauthorized`, `io`, `cancelled`. What came stays for the next time. */
export async function download(options: DownloadOptions): Promise<void> {
  const { file, target } = options;
  const partial = `${target}.incomplete`;
  const continued = (await sizeOf(partial)) > 0;
  await fetchRest(options, partial);
  let right = await hasChecksum(partial, file);
  if (!right && continued) {
    // What was left from before may be at fault: once more from the beginning.
    await rm(partial);
    await fetchRest(options, partial);
    right = await hasChecksum(partial, file);
  }
  if (!right) {
    await rm(partial);
    throw new AtomError(
      'download-failed',
      `${file.path} came with other content than its ${file.checksum.kind} says; nothing of it is kept, try again`,
    );
  }
  await rename(partial, target);
}

/** Requests what is missing until it is all there. */
async function fetchRest(options: DownloadOptions, partial: string): Promise<void> {
  const { hub, file } = options;
  let before = await sizeOf(partial);
  const attempt = async () => {
    before = await sizeOf(partial);
    // A file that is too long is left to the checksum.
    if (before < file.bytes) await fetchFrom(options, partial, Math.max(before, 0));
  };
  const progressed = async () => (await sizeOf(partial)) > Math.max(before, 0);
  await persistently(hub, attempt, { attempts: 5, progressed });
}

/** One request for the bytes from `start` on; throws `PassingFailure` when fewer come. */
async function fetchFrom(
  { hub, url, file, onBytes }: DownloadOptions,
  partial: string,
  start: number,
): Promise<void> {
  // Bytes are counted, so they must come as they are stored.
  const headers = { 'accept-encoding': 'identity', ...(start > 0 && { range: `bytes=${start}-` }) };
  const response = await hub.request(url, { headers });
  if (!response.ok) {
    await response.body?.cancel();
    throw refusal(response.status, file.path);
  }
  // A server that does not know ranges sends it all again.
  const continues = start > 0 && response.status === 206;
  let here = continues ? start : 0;
  const out = await writing(partial, () => open(partial, continues ? 'a' : 'w'));
  try {
    for await (const chunk of chunksOf(response, hub.signal)) {
      await writing(partial, () => out.appendFile(chunk));
      here += chunk.length;
      onBytes?.(here);
    }
  } finally {
    await out.close();
  }
  if (here < file.bytes) throw new PassingFailure(`${file.path} ended at ${here} of ${file.bytes} bytes`);
}

async function* chunksOf(response: Response, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of response.body ?? []) yield chunk as Uint8Array;
  } catch (cause) {
    if (signal?.aborted) throw interrupted(signal);
    throw new PassingFailure(`the connection broke: ${networkReason(cause)}`, { cause });
  }
}

async function hasChecksum(path: string, { bytes, checksum }: RemoteFile): Promise<boolean> {
  if ((await sizeOf(path)) !== bytes) return false;
  const hash = createHash(checksum.kind === 'sha256' ? 'sha256' : 'sha1');
  if (checksum.kind === 'git-sha1') hash.update(`blob ${bytes}\0`);
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex') === checksum.hex;
}

/** Bytes of a file; -1 where there is none. */
async function sizeOf(path: string): Promise<number> {
  const found = await stat(path).catch(() => undefined);
  return found?.size ?? -1;
}

async function writing<T>(path: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (cause) {
    throw new AtomError('io', `${path} cannot be written: ${reasonOf(cause)}`, { cause });
  }
}
