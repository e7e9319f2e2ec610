// A checkpoint quantized into a folder, as a recipe says, with bits chosen layer by layer where there is a budget.
import type { Checkpoint } from '../checkpoint/open-checkpoint.ts';
import { AtomError } from '../errors.ts';
import { packageVersion } from '../package-version.ts';
import { choosePrecision, type PrecisionChoice } from './choose-precision.ts';
import { type WriteOptions, type WrittenCheckpoint, writeQuantized } from './write-checkpoint.ts';

export interface QuantizeRun extends Omit<WriteOptions, 'precision' | 'profile' | 'toolVersion'> {
  /** Bits of a weight on average, scales and outliers counted, spent where they help most; else all layers are alike. */
  readonly bitsBudget?: number;
}

export interface QuantizedCheckpoint extends WrittenCheckpoint {
  /** Why each input has its bits, where there was a budget. */
  readonly choice?: PrecisionChoice;
}

/**
 * Memory stays bounded by one layer. A run that was cancelled or killed goes on where it stopped, to the same bytes.
 * Throws `bad-option` for a checkpoint that is quantized already, a recipe that does not fit it, a budget that nothing fits,
 * or a folder that holds something else; `numeric`, `io`, `cancelled`.
 */
export async function quantize(checkpoint: Checkpoint, run: QuantizeRun): Promise<QuantizedCheckpoint> {
  requirePlain(checkpoint);
  const { bitsBudget, ...options } = run;
  const choice =
    bitsBudget === undefined
      ? undefined
      : await choosePrecision(checkpoint, { ...options, budget: bitsBudget });
  const written = await writeQuantized(checkpoint, {
    ...options,
    ...(choice && { precision: choice.precision, profile: choice.profile }),
    toolVersion: packageVersion(),
  });
  return { ...written, ...(choice && { choice }) };
}

/** Throws `bad-option` for a checkpoint that is quantized already. */
export function requirePlain({ dir, quantization }: Checkpoint): void {
  if (!quantization) return;
  throw new AtomError('bad-option', `${dir} is quantized already; give the checkpoint it was made from`);
}
