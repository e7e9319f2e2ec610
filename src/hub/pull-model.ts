// A model from the Hub: the files it is made of, and no others. Weights in other formats, original checkpoints,
// pictures and folders stay where they are.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AtomError, reasonOf } from '../errors.ts';
import { cachedSnapshot, fetchFiles, rememberRevision, snapshotFolder } from './cache.ts';
import type { Hub } from './hub.ts';
import { checkNames, commitOf, describe, filesIn, type RemoteFile, type Repository } from './repository.ts';

export interface PullOptions {
  readonly id: string;
  /** Branch, tag or commit; by default `main`. */
  readonly revision?: string;
  /** Bytes that are here, bytes in all, and the file on its way; configuration first, then the weights. */
  readonly onProgress?: (done: number, total: number, path: string) => void;
}

export interface PulledModel {
  readonly folder: string;
  readonly commit: string;
  readonly files: readonly string[];
  readonly bytes: number;
}

const singleFile = 'model.safetensors';
const weightIndex = 'model.safetensors.index.json';
const configuration = [
  'config.json',
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'chat_template.jinja',
  weightIndex,
];

/**
 * Fetches what is missing. Throws `not-a-model` before anything large is fetched, `model-not-found`, `unauthorized`,
 * `download-failed`, `io`, `cancelled`.
 */
export async function pullModel(hub: Hub, options: PullOptions): Promise<PulledModel> {
  const { onProgress } = options;
  const repository = modelRepository(options);
  if (hub.offline) {
    throw new AtomError('download-failed', `${describe(repository)} was not fetched: HF_HUB_OFFLINE is set`);
  }
  const commit = await commitOf(hub, repository);
  const remote = await filesIn(hub, repository, { commit, folder: '' });
  const small = remote.filter(({ path }) => configuration.includes(path));
  checkIsModel(repository, remote);
  const folder = snapshotFolder(hub, repository, commit);
  await fetchFiles(hub, repository, { commit, files: small });
  const weights = weightsOf(repository, { remote, folder });
  await fetchFiles(hub, repository, { commit, files: weights, ...(onProgress && { onProgress }) });
  await rememberRevision(hub, repository, commit);
  const files = [...small, ...weights];
  return {
    folder,
    commit,
    files: files.map(({ path }) => path),
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

/** The folder of a model that was fetched before; undefined if it was not. */
export function cachedModel(hub: Hub, options: Pick<PullOptions, 'id' | 'revision'>): string | undefined {
  return cachedSnapshot(hub, modelRepository(options));
}

function modelRepository({ id, revision = 'main' }: Pick<PullOptions, 'id' | 'revision'>): Repository {
  const repository: Repository = { type: 'model', id, revision };
  checkNames(repository);
  return repository;
}

function checkIsModel(repository: Repository, remote: readonly RemoteFile[]): void {
  const has = (name: string) => remote.some(({ path }) => path === name);
  if (has('config.json') && (has(singleFile) || has(weightIndex))) return;
  const missing = has('config.json') ? `${singleFile} or ${weightIndex}` : 'config.json';
  const other = remote.find(({ path }) => /\.(bin|pth?|gguf|onnx)$/.test(path));
  const advice = other ? `; ${other.path} is of another format, look for a repository with safetensors` : '';
  throw new AtomError('not-a-model', `${describe(repository)} has no ${missing}${advice}`);
}

/** The single file, or the shards that the index names. */
function weightsOf(
  repository: Repository,
  { remote, folder }: { remote: readonly RemoteFile[]; folder: string },
): RemoteFile[] {
  const single = remote.filter(({ path }) => path === singleFile);
  if (single.length > 0) return single;
  return shardNames(join(folder, weightIndex)).map((name) => {
    const shard = remote.find(({ path }) => path === name);
    if (shard) return shard;
    throw new AtomError(
      'bad-safetensors',
      `${weightIndex} of ${describe(repository)} names ${JSON.stringify(name)}, which it does not have`,
    );
  });
}

/** Names of the shards in the index's map from tensors to files. */
function shardNames(index: string): string[] {
  const refused = (reason: string, cause?: unknown) =>
    new AtomError('bad-safetensors', `${index} ${reason}`, { cause });
  let parsed: { weight_map?: Record<string, string> } | null;
  try {
    parsed = JSON.parse(readFileSync(index, 'utf8'));
  } catch (cause) {
    throw refused(`is not JSON: ${reasonOf(cause)}`, cause);
  }
  const map = parsed?.weight_map;
  if (typeof map !== 'object' || map === null) throw refused('has no "weight_map" object');
  return [...new Set(Object.values(map))].sort();
}
