// A model in words: one line for the opening, its numbers for the end.
import { countText, fixed } from '../format.ts';
import type { Fact, ModelFacts } from '../types.ts';

export function modelLine({ name, family, parameters, layers, hiddenSize }: ModelFacts): string {
  return `${name}: ${countText(parameters)} parameters of the ${family} family in ${fixed(layers, 0)} layers, ${fixed(hiddenSize, 0)} wide`;
}

export function modelFacts(model: ModelFacts): Fact[] {
  const counts: readonly (readonly [string, number | undefined])[] = [
    ['Parameters', model.parameters],
    ['Layers', model.layers],
    ['Hidden size', model.hiddenSize],
    ['Intermediate size', model.intermediateSize],
    ['Attention heads', model.heads],
    ['Key and value heads', model.kvHeads],
    ['Vocabulary', model.vocabSize],
  ];
  return [
    { label: 'Model', value: model.name },
    { label: 'Family', value: model.family },
    ...counts.flatMap(([label, count]) => (count === undefined ? [] : [{ label, value: fixed(count, 0) }])),
  ];
}
