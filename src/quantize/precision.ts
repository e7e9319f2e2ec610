// Number formats by layer and input, where they are not the same throughout.
import type { ElementFormat } from '../backend/formats.ts';
import type { LinearInput } from '../model/model-source.ts';

export interface InputPrecision {
  readonly weight: ElementFormat;
  readonly activation: ElementFormat;
}

export type Precision = readonly Readonly<Record<LinearInput, InputPrecision>>[];
