// A folder in, a model out: plain checkpoints compute in f32 or bf16, Atom's in the codes it stores or simulated.
import type { Backend } from '../backend/backend.ts';
import { type Checkpoint, openCheckpoint } from '../checkpoint/open-checkpoint.ts';
import { AtomError } from '../errors.ts';
import type { HeadFormat } from './head-format.ts';
import { Model, type ModelOptions } from './model.ts';
import type { ModelSource } from './model-source.ts';
import { packed, unpackable } from './packed.ts';
import { type Compute, plainSource } from './plain-source.ts';
import { quantizedSource } from './quantized-source.ts';
import { simulated } from './simulated.ts';

export interface SourceOptions {
  readonly backend: Backend;
  /** For plain checkpoints; by default bf16. */
  readonly compute?: Compute;
  /** For quantized checkpoints: compute their values in f32 instead of their codes in kernels; slow, for every format. */
  readonly simulate?: boolean;
  /** For quantized checkpoints: what the output layer is kept in, rounded at load; by default int8. Simulated alike. */
  readonly head?: HeadFormat;
}

export interface LoadModelOptions extends ModelOptions, SourceOptions {}

/** Opens a Hugging Face checkpoint. Throws what `openCheckpoint` and `modelSource` throw, and `out-of-memory`. */
export function loadModel(path: string, options: LoadModelOptions): Model {
  return new Model(modelSource(openCheckpoint(path), options), options);
}

/** Throws `unsupported-model` for what there are no kernels for. */
export function modelSource(checkpoint: Checkpoint, options: SourceOptions): ModelSource {
  const { backend, compute = 'bf16', simulate = false, head = 'int8' } = options;
  const { dir, config, quantization } = checkpoint;
  if (config.moe) {
    throw new AtomError(
      'unsupported-model',
      `${dir} is a mixture of experts (${config.architecture}), which this version does not run yet`,
    );
  }
  if (!quantization) return plainSource(checkpoint, { backend, compute });
  const problem = simulate ? undefined : unpackable(config, quantization);
  if (problem !== undefined) {
    throw new AtomError(
      'unsupported-model',
      `${dir} is quantized in a way that there are no kernels for (${problem}); it can be simulated with --simulate, slowly`,
    );
  }
  const realization = (simulate ? simulated : packed)({ head });
  return quantizedSource({ ...checkpoint, quantization }, { backend, realization });
}
