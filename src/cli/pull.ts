// `atom pull`: a model from the Hugging Face Hub into the cache that every tool of the Hub shares.
import { Command } from 'commander';
import { AtomError } from '../errors.ts';
import { parseReference, pull } from './resolve-model.ts';
import { jsonOption } from './shared-options.ts';
import { bytesOf } from './sizes.ts';

interface Options {
  readonly revision?: string;
  readonly token?: string;
  readonly cache?: string;
  readonly json?: boolean;
}

export function pullCommand(): Command {
  return new Command('pull')
    .description('fetch a model from the Hugging Face Hub; goes on where it was interrupted')
    .argument('<id>', 'owner/name, or owner/name@revision')
    .option('--revision <name>', 'branch, tag or commit (default: main)')
    .option('--token <token>', 'access token for gated and private models (default: HF_TOKEN)')
    .option('--cache <folder>', 'where to keep it (default: HF_HUB_CACHE, or the cache of huggingface_hub)')
    .addOption(jsonOption())
    .action(pullAndPrint);
}

/** stdout gets the folder alone, so that scripts can use it. */
async function pullAndPrint(text: string, { revision, token, cache, json }: Options): Promise<void> {
  const reference = parseReference(text);
  if (!reference) throw new AtomError('bad-option', `${text} is not the id of a model, such as owner/name`);
  const pulled = await pull(
    { ...reference, ...(revision !== undefined && { revision }) },
    { ...(token !== undefined && { token }), ...(cache !== undefined && { cache }) },
  );
  if (json) {
    console.log(JSON.stringify({ id: reference.id, ...pulled }));
    return;
  }
  console.error(
    `${reference.id} at ${pulled.commit}: ${pulled.files.length} files, ${bytesOf(pulled.bytes)}, in`,
  );
  console.log(pulled.folder);
}
