// A folder in, a model out: plain checkpoints compute in f32 or bf16, Atom checkpoints in the bits they declare.
import type { Backend } from '../backend/backend.ts';
import { openCheckpoint } from '../checkpoint/open-checkpoint.ts';
import { Model, type ModelOptions } from './model.ts';
import { type Compute, plainSource } from './plain-source.ts';

export interface LoadModelOptions extends ModelOptions {
  readonly backend: Backend;
  /** For plain checkpoints; by default bf16. */
  readonly compute?: Compute;
}

/** Opens a Hugging Face or Atom checkpoint. Throws what `openCheckpoint` throws, and `out-of-memory`. */
export function loadModel(path: string, options: LoadModelOptions): Model {
  const checkpoint = openCheckpoint(path);
  return new Model(
    plainSource(checkpoint, { backend: options.backend, compute: options.compute ?? 'bf16' }),
    options,
  );
}
