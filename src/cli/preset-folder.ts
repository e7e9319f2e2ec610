// A checkpoint quantized by a preset, made the first time it is asked for and found again afterwards.
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';
import { openCheckpoint } from '../checkpoint/open-checkpoint.ts';
import { AtomError, reasonOf } from '../errors.ts';
import { packageVersion } from '../package-version.ts';
import { presetNamed } from '../quantize/presets.ts';
import type { Recipe } from '../quantize/recipe.ts';
import { cacheFolder } from './cache-folder.ts';
import { lockFolder } from './folder-lock.ts';

/** The model that comes with the package, as one would write its path here. */
export function bundledModel(): string {
  const path = resolve(import.meta.dirname, '../../models/tiny-classics');
  const shorter = relative(process.cwd(), path);
  return shorter.startsWith('..') ? path : shorter;
}

/**
 * The folder with `path` quantized by `preset`, under the user's cache. A run that was interrupted goes on; another
 * process that quantizes the same is waited for. `say` gets what is printed for people.
 * Throws `bad-option` for a preset that does not exist or a checkpoint that is quantized already.
 */
export async function presetFolder(
  path: string,
  preset: string,
  say: (line: string) => void = console.log,
): Promise<string> {
  const recipe = presetNamed(preset);
  const name = basename(resolve(path));
  const folder = join(cacheFolder('quantized'), `${name}-${preset}-${identity(path, recipe)}`);
  if (isComplete(folder)) return folder;
  makeFolder(folder);
  using _lock = await lockFolder(folder);
  // Another process may have finished it meanwhile.
  if (isComplete(folder)) return folder;
  say(`quantizing ${path} (${preset}), once; kept in ${folder}`);
  // Loaded here alone: whoever finds the folder does not wait for it.
  const { quantizeCommand } = await import('./quantize.ts');
  await quantizeCommand(say).parseAsync([path, '--preset', preset, '--out', folder], { from: 'user' });
  return folder;
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (cause) {
    throw new AtomError(
      'io',
      `cannot make ${folder}, where the quantized model is kept: ${reasonOf(cause)}; set XDG_CACHE_HOME to a folder that can be written`,
      { cause },
    );
  }
}

/** Other files at the same place, another recipe, or another version of this package: quantized anew. */
function identity(path: string, recipe: Recipe): string {
  const read = readdirSync(path).filter((name) =>
    /^(config\.json|calibration\.txt|.*\.safetensors)$/.test(name),
  );
  const files = read.sort().map((name) => {
    const { mtimeMs, size } = statSync(join(path, name));
    return [name, mtimeMs, size];
  });
  const facts = JSON.stringify([realpathSync(path), files, recipe, packageVersion()]);
  return createHash('sha256').update(facts).digest('hex').slice(0, 12);
}

function isComplete(folder: string): boolean {
  try {
    return openCheckpoint(folder).quantization !== undefined;
  } catch {
    return false;
  }
}
