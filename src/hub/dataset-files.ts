// Where the rows of a data set's split lie: in a folder of the user's, or on the Hub, which keeps every public data set
// as Parquet on a branch of its own, one folder for each configuration and split. It must not know what rows mean.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { AtomError } from '../errors.ts';
import { cachedSnapshot, fetchFiles, rememberRevision, snapshotFolder } from './cache.ts';
import type { Hub } from './hub.ts';
import { checkNames, commitOf, describe, filesIn, type Repository } from './repository.ts';
import { isDataFile } from './rows.ts';

export interface DatasetSplit {
  /** What the user calls it, e.g. `piqa`. */
  readonly name: string;
  /** Repository on the Hub, the configuration in it, and the split. */
  readonly id: string;
  readonly config: string;
  readonly split: string;
  /** Files of the main branch to take instead, where the set is too large to be had whole. */
  readonly files?: readonly string[];
  /** Whether a local file `<name>.jsonl` or `<name>.parquet` is this split. */
  readonly main?: boolean;
}

export interface DatasetPlace {
  readonly hub: Hub;
  /** A folder to look in instead of the Hub. */
  readonly folder?: string;
  readonly onProgress?: (done: number, total: number, path: string) => void;
}

/**
 * Paths of the split's files, in order; fetched if need be. Throws `bad-dataset` where there are none, and as
 * `fetchFiles` does.
 */
export async function datasetFiles(split: DatasetSplit, place: DatasetPlace): Promise<readonly string[]> {
  return place.folder === undefined ? hubFiles(split, place) : localFiles(split, place.folder);
}

async function hubFiles(split: DatasetSplit, { hub, onProgress }: DatasetPlace): Promise<readonly string[]> {
  const revision = split.files ? 'main' : 'refs/convert/parquet';
  const repository: Repository = { type: 'dataset', id: split.id, revision };
  checkNames(repository);
  const folder = `${split.config}/${split.split}`;
  if (hub.offline) {
    const snapshot = cachedSnapshot(hub, repository);
    const files = snapshot === undefined ? [] : present(snapshot, split.files, folder);
    if (files.length > 0) return files;
    throw new AtomError(
      'download-failed',
      `${describe(repository)} was not fetched before, and HF_HUB_OFFLINE is set; or name a folder with --data`,
    );
  }
  const commit = await commitOf(hub, repository);
  const folders = split.files ? new Set(split.files.map(folderOf)) : [folder];
  const listed = await Promise.all(
    [...folders].map((each) => filesIn(hub, repository, { commit, folder: each })),
  );
  const wanted = listed
    .flat()
    .filter(({ path }) => (split.files ? split.files.includes(path) : isDataFile(path)));
  if (wanted.length === 0 || (split.files && wanted.length < split.files.length)) {
    throw new AtomError(
      'bad-dataset',
      `${describe(repository)} has no ${split.files?.join(', ') ?? `Parquet files in ${folder}`}`,
    );
  }
  await fetchFiles(hub, repository, { commit, files: wanted, ...(onProgress && { onProgress }) });
  await rememberRevision(hub, repository, commit);
  return wanted.map(({ path }) => join(snapshotFolder(hub, repository, commit), path));
}

const folderOf = (path: string) => path.slice(0, Math.max(path.lastIndexOf('/'), 0));

/** Those of the snapshot's files that are here: all that are named, or all of the folder. */
function present(snapshot: string, files: readonly string[] | undefined, folder: string): string[] {
  if (!files) return dataFilesIn(join(snapshot, folder)).map((name) => join(snapshot, folder, name));
  const paths = files.map((path) => join(snapshot, path));
  return paths.every((path) => existsSync(path)) ? paths : [];
}

/**
 * A copy of the repository in any of its usual forms, or files of the user's own:
 * `<name>/<split>.jsonl`, `<name>/<split>-00000.parquet`, `<config>/<split>/0000.parquet`, `<name>.jsonl`.
 */
function localFiles(split: DatasetSplit, folder: string): readonly string[] {
  const { name, id, config } = split;
  const short = id.slice(id.indexOf('/') + 1);
  const roots = [name, join(id, config), id, join(short, config), short].map((root) => join(folder, root));
  for (const root of roots) {
    const inside = join(root, split.split);
    const ofFolder = dataFilesIn(inside).map((file) => join(inside, file));
    const found = ofFolder.length > 0 ? ofFolder : ofSplit(root, split);
    if (found.length > 0) return found;
  }
  const alone = ['parquet', 'jsonl', 'json'].map((ending) => join(folder, `${name}.${ending}`));
  const single = split.main ? alone.find((path) => existsSync(path)) : undefined;
  if (single) return [single];
  throw new AtomError(
    'bad-dataset',
    `${folder} has no data of ${name}, split ${split.split}; expected ${join(folder, name, `${split.split}.jsonl`)} or .parquet`,
  );
}

/** Files of a folder whose names begin with the split, or are named; where there are several endings, of the first. */
function ofSplit(root: string, { split, files }: DatasetSplit): string[] {
  const named = files?.map((path) => path.slice(path.lastIndexOf('/') + 1)) ?? [];
  const names = dataFilesIn(root).filter(
    (file) => named.includes(file) || (file.startsWith(split) && /^[-.]/.test(file.slice(split.length))),
  );
  const endings = ['.parquet', '.jsonl', '.jsonl.gz', '.json', '.json.gz'];
  const ending = endings.find((each) => names.some((file) => file.endsWith(each)));
  return ending === undefined
    ? []
    : names.filter((file) => file.endsWith(ending)).map((file) => join(root, file));
}

function dataFilesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder).filter(isDataFile).sort() : [];
}
