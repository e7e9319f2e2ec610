// MODEL of every command: a folder, or the id of a model on the Hub, which is fetched when it is not here.
import { existsSync } from 'node:fs';
import { AtomError } from '../errors.ts';
import { type HubOptions, openHub } from '../hub/hub.ts';
import { cachedModel, type PulledModel, pullModel } from '../hub/pull-model.ts';
import { isRepositoryId } from '../hub/repository.ts';
import { interruptSignal } from './interrupt.ts';
import { startProgress } from './progress.ts';

export interface ModelReference {
  readonly id: string;
  readonly revision?: string;
}

const prefix = 'hf:';

/**
 * The folder of MODEL: a path, `owner/name` or `owner/name@revision`; `hf:` before an id says that it is no path.
 * Throws `not-a-model` where it can be neither, and as `pullModel` does.
 */
export async function resolveModel(model: string): Promise<string> {
  if (existsSync(model)) return model;
  const reference = parseReference(model);
  if (!reference) {
    throw new AtomError(
      'not-a-model',
      `${model} is neither a folder nor the id of a model on the Hub (owner/name)`,
    );
  }
  // Most often a misspelt path; the Hub is not asked about what lies in a folder that is here.
  const [owner = ''] = model.split('/');
  if (!model.startsWith(prefix) && existsSync(owner)) {
    throw new AtomError(
      'not-a-model',
      `there is no folder ${model}; if a model of this name on the Hub is meant, write ${prefix}${model}`,
    );
  }
  const hub = openHub();
  const cached = cachedModel(hub, reference);
  if (hub.offline && cached !== undefined) return cached;
  try {
    return (await pull(reference)).folder;
  } catch (error) {
    const unreachable = error instanceof AtomError && error.code === 'download-failed';
    if (!unreachable || cached === undefined) throw error;
    console.error(`atom: ${error.message}; using what was fetched before, ${cached}`);
    return cached;
  }
}

/** Undefined where the text cannot be an id. */
export function parseReference(text: string): ModelReference | undefined {
  const [id = '', revision, ...more] = text.slice(text.startsWith(prefix) ? prefix.length : 0).split('@');
  if (!isRepositoryId(id) || revision === '' || more.length > 0) return undefined;
  return { id, ...(revision !== undefined && { revision }) };
}

/** Fetches with a progress bar; Ctrl-C leaves what came for the next time. */
export async function pull(
  reference: ModelReference,
  options: Omit<HubOptions, 'signal'> = {},
): Promise<PulledModel> {
  using interrupt = interruptSignal();
  using progress = startProgress(`fetching ${reference.id}`, { bytes: true });
  return await pullModel(openHub({ ...options, signal: interrupt.signal }), {
    ...reference,
    onProgress: (done, total, path) => progress.update(done, total, path),
  });
}
