// Number formats by layer and input, where they are not the same throughout.
import type { ElementFormat } from '../backend/formats.ts';
import type { LinearInput } from '../model/model-source.ts';
import { inFormat, type Recipe } from './recipe.ts';

export interface InputPrecision {
  readonly weight: ElementFormat;
  readonly activation: ElementFormat;
}

export type Precision = readonly Readonly<Record<LinearInput, InputPrecision>>[];

/** The recipe with other formats; with none given, as it is. */
export function withPrecision(recipe: Recipe, formats: InputPrecision | undefined): Recipe {
  if (!formats) return recipe;
  return {
    ...recipe,
    weight: { ...recipe.weight, format: formats.weight },
    activation: inFormat(recipe.activation, formats.activation),
  };
}

/** The same formats for every input of every layer. */
export function uniformPrecision(numLayers: number, formats: InputPrecision): Precision {
  return Array.from({ length: numLayers }, () => ({
    qkv: formats,
    output: formats,
    gateUp: formats,
    down: formats,
  }));
}
