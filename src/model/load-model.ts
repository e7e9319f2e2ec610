// A folder in, a model out: plain checkpoints compute in f32 or bf16, Atom's as their quantization_config says.
import type { Backend } from '../backend/backend.ts';
import { openCheckpoint } from '../checkpoint/open-checkpoint.ts';
import { AtomError } from '../errors.ts';
import { Model, type ModelOptions } from './model.ts';
import { type Compute, plainSource } from './plain-source.ts';
import { simulatedSource } from './quantized-source.ts';

export interface LoadModelOptions extends ModelOptions {
  readonly backend: Backend;
  /** For plain checkpoints; by default bf16. */
  readonly compute?: Compute;
}

/** Opens a Hugging Face checkpoint. Throws what `openCheckpoint` throws, `unsupported-model`, `out-of-memory`. */
export function loadModel(path: string, options: LoadModelOptions): Model {
  const checkpoint = openCheckpoint(path);
  const { architecture, moe } = checkpoint.config;
  if (moe) {
    throw new AtomError(
      'unsupported-model',
      `${path} is a mixture of experts (${architecture}), which this version does not run yet`,
    );
  }
  const { backend } = options;
  const { quantization } = checkpoint;
  const source = quantization
    ? simulatedSource({ ...checkpoint, quantization }, { backend })
    : plainSource(checkpoint, { backend, compute: options.compute ?? 'bf16' });
  return new Model(source, options);
}
