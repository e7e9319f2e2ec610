// What the operators between the linears leave behind.
import type { Activation, Backend } from '../../backend/backend.ts';
import type { ActivationFormat } from '../../backend/formats.ts';
import { integerActivation, outliers } from './linears.ts';
import type { Owner } from './owner.ts';
import { noiseOrder } from './random-weights.ts';
import type { DecoderShape } from './shapes.ts';

/** What a row leaves behind: plain f32, or the published recipe's integers. */
export type Stored = 'f32' | 'A4' | 'A8';

const formats: Readonly<Record<Stored, ActivationFormat>> = {
  f32: { kind: 'f32' },
  A4: integerActivation(4, outliers),
  A8: integerActivation(8, outliers),
};

export const bytesPerValue: Readonly<Record<Stored, number>> = { f32: 4, A4: 1, A8: 1 };

export function storedRows(
  owner: Owner,
  backend: Backend,
  options: { stored: Stored; channels: number; maxTokens: number; reordered: boolean },
): Activation {
  const { stored, channels, maxTokens, reordered } = options;
  const format = formats[stored];
  const bytes = backend.activationBytes({ format, channels, maxTokens });
  const storage = owner.own(backend.allocate('u8', [bytes]));
  const reorder = reordered ? { reorder: owner.own(noiseOrder(backend, channels)) } : {};
  return backend.activation({ format, channels, maxTokens, storage, ...reorder });
}

export interface RowOptions {
  readonly stored: Stored;
  readonly shape: DecoderShape;
  readonly rows: readonly number[];
}
