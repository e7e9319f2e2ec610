// A repository on the Hub at one commit: its name, its files with their checksums.
import { datasetInfo, HubApiError, listFiles, modelInfo } from '@huggingface/hub';
import { AtomError, reasonOf } from '../errors.ts';
import { type Hub, PassingFailure, persistently } from './hub.ts';

export interface Repository {
  readonly type: 'model' | 'dataset';
  /** Owner and name, e.g. `owner/name`. */
  readonly id: string;
  /** Branch, tag or commit. */
  readonly revision: string;
}

export interface RemoteFile {
  /** In the repository, with `/`. */
  readonly path: string;
  readonly bytes: number;
  readonly checksum: Checksum;
}

/** Large files are known by the SHA-256 of their content, others by their Git object: the SHA-1 of a header and it. */
export interface Checksum {
  readonly kind: 'sha256' | 'git-sha1';
  readonly hex: string;
}

const part = /^(?!.*(--|\.\.))[A-Za-z0-9]([\w.-]*[\w-])?$/;

/** Whether a text could be the id of a repository: `owner/name`, in the Hub's letters. */
export function isRepositoryId(text: string): boolean {
  const parts = text.split('/');
  return parts.length === 2 && parts.every((each) => part.test(each) && each.length <= 96);
}

/** Names become paths and addresses, so they are held to the Hub's letters. Throws `bad-option`. */
export function checkNames({ type, id, revision }: Repository): void {
  if (!isRepositoryId(id)) {
    throw new AtomError('bad-option', `${JSON.stringify(id)} is not the id of a ${type}, such as owner/name`);
  }
  const fits = revision.split('/').every((each) => /^[\w.+-]+$/.test(each) && !/^\.|\.\./.test(each));
  if (!fits) throw new AtomError('bad-option', `${JSON.stringify(revision)} is not a branch, tag or commit`);
}

/** The commit that a revision stands for. Throws `download-failed`, `model-not-found`, `unauthorized`. */
export async function commitOf(hub: Hub, repository: Repository): Promise<string> {
  const { type, id, revision } = repository;
  const question = {
    name: id,
    revision,
    additionalFields: ['sha' as const],
    hubUrl: hub.endpoint,
    fetch: hub.request,
  };
  const { sha } = await asked(hub, describe(repository), () =>
    type === 'model' ? modelInfo(question) : datasetInfo(question),
  );
  if (typeof sha === 'string' && /^[0-9a-f]{40}$/.test(sha)) return sha;
  throw new AtomError('download-failed', `the Hub named no commit for ${describe(repository)}`);
}

/** The files of one folder of a commit, in order; `''` for the repository's own. Throws as `commitOf` does. */
export async function filesIn(
  hub: Hub,
  repository: Repository,
  { commit, folder }: { commit: string; folder: string },
): Promise<RemoteFile[]> {
  const what = describe(repository) + (folder && `, folder ${folder}`);
  return asked(hub, what, async () => {
    const files: RemoteFile[] = [];
    for await (const { type, path, size, oid, lfs } of listFiles({
      repo: { type: repository.type, name: repository.id },
      revision: commit,
      ...(folder && { path: folder }),
      hubUrl: hub.endpoint,
      fetch: hub.request,
    })) {
      if (type !== 'file') continue;
      checkPath(path, repository);
      const checksum: Checksum = lfs
        ? { kind: 'sha256', hex: lfs.oid.replace(/^sha256:/, '') }
        : { kind: 'git-sha1', hex: oid ?? '' };
      checkHex(checksum, `${repository.id}/${path}`);
      files.push({ path, bytes: lfs?.size ?? size, checksum });
    }
    return files.sort((a, b) => (a.path < b.path ? -1 : 1));
  });
}

/** Where the content of a file is. */
export function contentUrl(
  hub: Hub,
  { type, id }: Repository,
  { commit, path }: { commit: string; path: string },
): string {
  const encoded = path.split('/').map(encodeURIComponent).join('/');
  return `${hub.endpoint}/${type === 'dataset' ? 'datasets/' : ''}${id}/resolve/${commit}/${encoded}`;
}

export function describe({ type, id, revision }: Repository): string {
  return `the ${type} ${id}${revision === 'main' ? '' : ` at ${revision}`}`;
}

/** Sentences for the statuses that a user can do something about. */
export function refusal(status: number, what: string): AtomError {
  if (status === 401 || status === 403) {
    return new AtomError(
      'unauthorized',
      `the Hub does not give ${what} to this user (status ${status}): the name may be wrong, or its terms are to be accepted there; then set HF_TOKEN or --token`,
    );
  }
  if (status === 404) return new AtomError('model-not-found', `the Hub does not have ${what}`);
  return new AtomError('download-failed', `the Hub answered ${status} when asked for ${what}`);
}

async function asked<T>(hub: Hub, what: string, ask: () => Promise<T>): Promise<T> {
  const attempt = async () => {
    try {
      return await ask();
    } catch (cause) {
      if (cause instanceof AtomError || cause instanceof PassingFailure) throw cause;
      if (cause instanceof HubApiError) throw refusal(cause.statusCode, what);
      throw new AtomError(
        'download-failed',
        `the Hub's answer about ${what} makes no sense: ${reasonOf(cause)}`,
        { cause },
      );
    }
  };
  return persistently(hub, attempt, { attempts: 3 });
}

/** A file's name becomes a path on this machine, so it must stay below the folder it is put in. */
function checkPath(path: string, repository: Repository): void {
  const safe =
    !/[\\:\0]/.test(path) && path.split('/').every((name) => name !== '' && name !== '.' && name !== '..');
  if (safe) return;
  throw new AtomError(
    'download-failed',
    `${describe(repository)} has a file named ${JSON.stringify(path)}, which is not kept`,
  );
}

function checkHex({ kind, hex }: Checksum, what: string): void {
  if (new RegExp(`^[0-9a-f]{${kind === 'sha256' ? 64 : 40}}$`).test(hex)) return;
  throw new AtomError('download-failed', `the Hub gave no checksum for ${what}`);
}
