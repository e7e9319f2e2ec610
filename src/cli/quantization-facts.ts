// What `atom quantize` knows at its end, as the plain object that reports are drawn from.
import { layerLinears } from '../checkpoint/expected-tensors.ts';
import type { ModelConfig } from '../checkpoint/model-config.ts';
import type { Checkpoint } from '../checkpoint/open-checkpoint.ts';
import { decoderLinears } from '../model/decoder-linears.ts';
import type { PrecisionChoice } from '../quantize/choose-precision.ts';
import { Histogram } from '../quantize/histogram.ts';
import { linearsOf } from '../quantize/layer-weights.ts';
import { linearInputs, shownLayers } from '../quantize/profile.ts';
import { bitsOf, type Recipe } from '../quantize/recipe.ts';
import { averageBitsOf } from '../quantize/storage-bits.ts';
import type { WrittenCheckpoint } from '../quantize/write-checkpoint.ts';
import type {
  ChannelReport,
  Fact,
  Histogram as HistogramReport,
  LayerReport,
  ModelFacts,
  Provenance,
  QuantizationReport,
  Sizes,
  Stage,
} from '../report/types.ts';

export interface QuantizationFactsOptions {
  readonly provenance: Provenance;
  readonly checkpoint: Checkpoint;
  readonly written: WrittenCheckpoint;
  readonly recipe: Recipe;
  readonly choice?: PrecisionChoice | undefined;
  readonly stages: readonly Stage[];
}

export function quantizationFacts(options: QuantizationFactsOptions): QuantizationReport {
  const { provenance, checkpoint, written, recipe, choice, stages } = options;
  const { config } = checkpoint;
  return {
    ...provenance,
    kind: 'quantization',
    model: modelFacts(checkpoint),
    recipe: { name: recipe.name, lines: recipeLines(recipe) },
    sizes: sizesOf(checkpoint, written),
    averageBits: averageBitsOf(config, recipe, choice?.precision),
    layers: written.layers.map((_, index) => layerReport(index, options)),
    stages,
    channels: shownLayers(config.numLayers).flatMap((layer) => channelReports(layer, written, recipe)),
    histograms: [...activationHistograms(written), ...weightHistograms(config, written)],
  };
}

export function modelFacts({ dir, config, tensors }: Checkpoint): ModelFacts {
  const parameters = [...tensors.tensors.values()].reduce((sum, { shape }) => {
    return sum + shape.reduce((a, b) => a * b, 1);
  }, 0);
  return {
    name: dir.split(/[/\\]/).filter(Boolean).at(-1) ?? dir,
    family: config.architecture,
    parameters,
    layers: config.numLayers,
    hiddenSize: config.hiddenSize,
    intermediateSize: config.intermediateSize,
    heads: config.numHeads,
    kvHeads: config.numKvHeads,
    vocabSize: config.vocabSize,
  };
}

export function recipeLines(recipe: Recipe): Fact[] {
  const { weight, activation, outliers, kv, transforms, rounding, gptq } = recipe;
  const groups = (size: number) => (size === 0 ? 'one group' : `groups of ${size}`);
  const applied = [
    transforms.foldScales && 'scales folded',
    transforms.rotateResidual && 'residual rotated',
    transforms.downHadamard && 'Hadamard on the input of down',
    kv.keyHadamard && 'Hadamard on keys',
    transforms.migration !== 'none' && `${transforms.migration} scale migration`,
  ].filter((text) => text !== false);
  return [
    { label: 'Weights', value: `${weight.format}, ${groups(weight.groupSize)}, clip ${weight.clip}` },
    {
      label: 'Activations',
      value: `${activation.format}, ${groups(activation.groupSize)}, ${activation.range}`,
    },
    {
      label: 'Outliers',
      value: outliers.channels === 0 ? 'none' : `${outliers.channels} channels in ${outliers.format}`,
    },
    { label: 'KV cache', value: `${kv.keyBits}-bit keys, ${kv.valueBits}-bit values` },
    { label: 'Rounding', value: `${rounding}, ${gptq.sequential ? 'inputs in sequence' : 'layer by layer'}` },
    { label: 'Transforms', value: applied.length > 0 ? applied.join(', ') : 'none' },
  ];
}

function layerReport(index: number, { checkpoint, written, choice }: QuantizationFactsOptions): LayerReport {
  const { quantization, layers } = written;
  const { seconds, linears } = layers[index]!;
  const errors = new Map(linears.map(({ name, error }) => [name, error ?? Number.NaN]));
  const specs = decoderLinears(checkpoint.config, index);
  return {
    index,
    seconds,
    kvBits: quantization.kvOf(index).keyBits,
    linears: linearInputs.flatMap((input) => {
      const chosen = choice?.choices.find((each) => each.layer === index && each.input === input);
      return specs[input].map((spec, i) => {
        const { weight, activation } = quantization.schemeOf(spec);
        return {
          name: spec.name.slice(spec.name.lastIndexOf('.') + 1),
          weightBits: bitsOf(weight.format),
          activationBits: bitsOf(activation.format),
          error: Math.sqrt(errors.get(linearsOf[input][i]!) ?? Number.NaN),
          ...(chosen && { sensitivity: chosen.sensitivity, reason: chosen.reason }),
        };
      });
    }),
  };
}

function channelReports(
  layer: number,
  { profile, layers }: WrittenCheckpoint,
  recipe: Recipe,
): ChannelReport[] {
  const { rows } = profile;
  const magnitudes = layers[layer]!.magnitudes ?? {};
  const { channels } = recipe.outliers;
  return linearInputs.map((input) => {
    const before = Array.from(profile.layers[layer]!.inputs[input].sumSquares, (sum) =>
      Math.sqrt(sum / rows),
    );
    const after = magnitudes[input];
    const ranked = [...before.keys()].sort((a, b) => before[b]! - before[a]!);
    return {
      layer,
      input,
      magnitudes: before,
      outliers: after ? [] : ranked.slice(0, channels),
      ...(after && { transformed: { magnitudes: after, outliers: channels } }),
    };
  });
}

const inputNames = {
  qkv: 'input of q, k, v',
  output: 'input of o',
  gateUp: 'input of gate and up',
  down: 'input of down',
};

function activationHistograms({ profile }: WrittenCheckpoint): HistogramReport[] {
  const middle = profile.spreads[profile.spreads.length >> 1]?.layer;
  return profile.spreads
    .filter(({ layer }) => layer === middle)
    .map(({ layer, input, edges, counts }) => ({
      title: `layer ${layer}, ${inputNames[input]}, in units of its root mean square`,
      kind: 'activation',
      edges,
      counts,
    }));
}

/** How often each code of four bits occurs in the middle layer: a quantizer that wastes codes shows here. */
function weightHistograms(
  config: ModelConfig,
  { quantization, tensors }: WrittenCheckpoint,
): HistogramReport[] {
  const layer = Math.floor(config.numLayers / 2);
  return [...layerLinears(config, layer)].flatMap((spec) => {
    const { format } = quantization.schemeOf(spec).weight;
    if (format !== 'int4') return [];
    const histogram = new Histogram({ low: -8.5, high: 7.5, bins: 16 });
    const packed = tensors.read(`${spec.name}.weight_packed`);
    const { edges, counts } = histogram;
    for (const byte of packed) {
      // Two's complement nibbles: code -8 first.
      counts[(byte & 15) ^ 8]! += 1;
      counts[(byte >>> 4) ^ 8]! += 1;
    }
    const name = spec.name.slice(spec.name.lastIndexOf('.') + 1);
    const codes = Array.from({ length: 16 }, (_, i) => i - 8);
    return [
      {
        title: `layer ${layer}, ${name}, in units of the group's scale`,
        kind: 'weight',
        edges,
        counts,
        codes,
      },
    ];
  });
}

function sizesOf(before: Checkpoint, { tensors }: WrittenCheckpoint): Sizes {
  const parts = ['linears', 'embedding', 'output layer', 'norms and orders'] as const;
  const partOf = (name: string): (typeof parts)[number] => {
    if (name.startsWith('model.embed_tokens')) return 'embedding';
    if (name.startsWith('lm_head')) return 'output layer';
    return /norm|reorder_index/.test(name) ? 'norms and orders' : 'linears';
  };
  const sums = (store: Checkpoint['tensors']) => {
    const bytes = new Map<string, number>();
    for (const { name, begin, end } of store.tensors.values()) {
      bytes.set(partOf(name), (bytes.get(partOf(name)) ?? 0) + end - begin);
    }
    return bytes;
  };
  const [old, now] = [sums(before.tensors), sums(tensors)];
  const total = (bytes: Map<string, number>) => [...bytes.values()].reduce((a, b) => a + b, 0);
  return {
    before: total(old),
    after: total(now),
    byPart: parts.map((part) => ({ part, before: old.get(part) ?? 0, after: now.get(part) ?? 0 })),
  };
}
