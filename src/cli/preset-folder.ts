// A checkpoint quantized by a preset, made the first time it is asked for and found again afterwards.
import { createHash } from 'node:crypto';
import { mkdirSync, realpathSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { openCheckpoint } from '../checkpoint/open-checkpoint.ts';
import { presetNamed } from '../quantize/presets.ts';
import { packageVersion } from '../server/package-version.ts';
import { quantizeCommand } from './quantize.ts';

/**
 * The folder with `path` quantized by `preset`, under the user's cache. A run that was interrupted goes on.
 * Throws `bad-option` for a preset that does not exist or a checkpoint that is quantized already.
 */
export async function presetFolder(path: string, preset: string): Promise<string> {
  presetNamed(preset);
  const folder = join(cacheFolder(), `${basename(path)}-${preset}-${identity(path)}`);
  if (isComplete(folder)) return folder;
  mkdirSync(folder, { recursive: true });
  await quantizeCommand().parseAsync([path, '--preset', preset, '--out', folder], { from: 'user' });
  return folder;
}

/** Another checkpoint at the same place, or another version of this package, is quantized anew. */
function identity(path: string): string {
  const { mtimeMs, size } = statSync(join(path, 'config.json'));
  const facts = JSON.stringify([realpathSync(path), mtimeMs, size, packageVersion()]);
  return createHash('sha256').update(facts).digest('hex').slice(0, 12);
}

function isComplete(folder: string): boolean {
  try {
    return openCheckpoint(folder).quantization !== undefined;
  } catch {
    return false;
  }
}

/** Where the XDG Base Directory specification puts caches. */
function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'atom-llm', 'quantized');
}
