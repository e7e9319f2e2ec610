// What quantizing a larger checkpoint costs in time and memory.
import { byteText, countText, durationText, fixed } from '../../format.ts';
import { type Section, sources, table } from '../page-parts.ts';
import { forecasts } from '../quantization-forecast.ts';
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
      ...expected(result),
      ...sources(result),
    ],
  };
}

/** Nothing of a short run: it takes other samples. */
function expected({ short, data: { model, seconds } }: ResultOf<'quantization'>): string[] {
  const rows = short ? [] : forecasts({ name: model.name, layers: model.layers, seconds });
  if (rows.length === 0) return [];
  return [
    'What that means for whole models, by calculation: memory from what lies in it at the worst moment, time from the number of operations ([quantization.md](quantization.md#memory-and-time)). Larger matrices run a little faster than this supposes.',
    table(
      ['model', 'layers', 'memory', 'time'],
      rows.map(({ size, memory, seconds: time }) => [
        size.name,
        String(size.layers),
        byteText(memory),
        durationText(time),
      ]),
    ),
  ];
}
