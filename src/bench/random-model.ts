// Checkpoints of random weights to measure with: made the first time a shape and scheme are asked for, then kept.
import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { openCheckpoint } from '../checkpoint/open-checkpoint.ts';
import { type RandomShape, randomShapes, writeRandomCheckpoint } from '../checkpoint/random-checkpoint.ts';
import { writeRandomQuantized } from '../quantize/random-quantized.ts';
import type { Scheme } from './schemes.ts';

export interface RandomModel {
  readonly shape: RandomShape;
  /** Fewer layers than the shape has. */
  readonly layers?: number | undefined;
}

export interface KeepOptions {
  /** Where checkpoints are kept. */
  readonly cache: string;
  readonly toolVersion: string;
}

/** The folder of a random checkpoint. Throws `io`, and `bad-config` for numbers of layers that no model has. */
export function randomModelFolder(
  scheme: Scheme,
  { shape, layers }: RandomModel,
  { cache, toolVersion }: KeepOptions,
): string {
  const config = { ...randomShapes[shape], ...(layers !== undefined && { num_hidden_layers: layers }) };
  const { name, recipe } = scheme;
  const identity = createHash('sha256')
    .update(JSON.stringify([config, recipe, toolVersion]))
    .digest('hex');
  const cut = layers === undefined ? '' : `-${layers}-layers`;
  const folder = join(cache, `${shape}${cut}-${name.toLowerCase()}-${identity.slice(0, 12)}`);
  if (isComplete(folder)) return folder;
  rmSync(folder, { recursive: true, force: true });
  if (recipe) writeRandomQuantized(folder, { config, recipe, toolVersion });
  else writeRandomCheckpoint(folder, { config });
  return folder;
}

/** What is missing comes last in a folder: the index of its tensors. */
function isComplete(folder: string): boolean {
  try {
    openCheckpoint(folder);
    return true;
  } catch {
    return false;
  }
}
