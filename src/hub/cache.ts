// The folder of downloads, laid out as Python's huggingface_hub lays it out, so that both find each other's files:
// <type>s--<owner>--<name>/blobs/<checksum>, /snapshots/<commit>/<path> as links to them, /refs/<revision>.
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { getRepoFolderName } from '@huggingface/hub';
import { AtomError, reasonOf } from '../errors.ts';
import { download } from './download.ts';
import type { Hub } from './hub.ts';
import { contentUrl, type RemoteFile, type Repository } from './repository.ts';

export interface FetchOptions {
  readonly commit: string;
  readonly files: readonly RemoteFile[];
  /** Bytes of all these files that are here, how many there are, and the file that is on its way. */
  readonly onProgress?: (done: number, total: number, path: string) => void;
}

/** The folder of a commit; it may not exist. */
export function snapshotFolder(hub: Hub, repository: Repository, commit: string): string {
  return join(repositoryFolder(hub, repository), 'snapshots', commit);
}

/** The folder that a revision led to when it was last asked for; undefined if it never was. */
export function cachedSnapshot(hub: Hub, repository: Repository): string | undefined {
  const ref = join(repositoryFolder(hub, repository), 'refs', repository.revision);
  const commit = existsSync(ref) ? readFileSync(ref, 'utf8').trim() : repository.revision;
  const folder = snapshotFolder(hub, repository, commit);
  return /^[0-9a-f]{40}$/.test(commit) && existsSync(folder) ? folder : undefined;
}

/** Fetches what is missing of these files. Throws as `download` does, and `io`. */
export async function fetchFiles(hub: Hub, repository: Repository, options: FetchOptions): Promise<void> {
  const { commit, files, onProgress } = options;
  const folder = snapshotFolder(hub, repository, commit);
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  let done = 0;
  for (const file of files) {
    const place = join(folder, file.path);
    if ((await sizeOf(place)) !== file.bytes) {
      const blob = join(repositoryFolder(hub, repository), 'blobs', file.checksum.hex);
      await writable(blob, () => mkdir(dirname(blob), { recursive: true }));
      if ((await sizeOf(blob)) !== file.bytes) {
        const url = contentUrl(hub, repository, { commit, path: file.path });
        const onBytes = (bytes: number) => onProgress?.(done + bytes, total, file.path);
        await download({ hub, url, file, target: blob, onBytes });
      }
      await writable(place, () => link(blob, place));
    }
    done += file.bytes;
    onProgress?.(done, total, file.path);
  }
}

/** Notes what a branch or tag led to, for when the Hub cannot be asked. */
export async function rememberRevision(hub: Hub, repository: Repository, commit: string): Promise<void> {
  if (repository.revision === commit) return;
  const ref = join(repositoryFolder(hub, repository), 'refs', repository.revision);
  await writable(ref, async () => {
    await mkdir(dirname(ref), { recursive: true });
    await writeFile(ref, commit);
  });
}

function repositoryFolder(hub: Hub, { type, id }: Repository): string {
  return join(hub.cache, getRepoFolderName({ type, name: id }));
}

async function link(blob: string, place: string): Promise<void> {
  await mkdir(dirname(place), { recursive: true });
  await rm(place, { force: true });
  await symlink(relative(dirname(place), blob), place);
}

/** Bytes of a file, through links; -1 where there is none. */
async function sizeOf(path: string): Promise<number> {
  const found = await stat(path).catch(() => undefined);
  return found?.size ?? -1;
}

async function writable(path: string, write: () => Promise<unknown>): Promise<void> {
  try {
    await write();
  } catch (cause) {
    throw new AtomError('io', `${path} cannot be written: ${reasonOf(cause)}`, { cause });
  }
}
