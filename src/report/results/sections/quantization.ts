// What quantizing a larger checkpoint costs in time and memory.
import { byteText, countText, durationText, fixed } from '../../format.ts';
import { type Section, sources, table } from '../page-parts.ts';
import type { ResultOf } from '../result-file.ts';

export function quantizationSection(result: ResultOf<'quantization'>): Section {
  const { model, samples, sizes, averageBits, seconds, stages, layers, peakMemory } = result.data;
  const perLayer = layers.reduce((sum, layer) => sum + layer.seconds, 0) / layers.length;
  const rows = [
    ...stages.map((stage) => [stage.name, durationText(stage.seconds)]),
    ['quantizing one layer, on average', durationText(perLayer)],
    ['all of it', durationText(seconds)],
    ['resident at most', byteText(peakMemory)],
    ['bits per weight of the linears', fixed(averageBits, 2)],
    ['checkpoint before', byteText(sizes.before)],
    ['checkpoint after', byteText(sizes.after)],
  ];
  return {
    heading: 'Quantizing',
    parts: [
      `A checkpoint of random weights in the shape ${model.name}, ${model.layers} layers of it (${countText(model.parameters)} parameters, ${model.hiddenSize} wide), by the default preset on ${samples}. Time grows with the number of layers, memory does not.`,
      table(['', ''], rows),
      ...sources(result),
    ],
  };
}
