// Reports of plausible models, the same on every run: channel magnitudes are log-normal with a few that tower, errors and
// perplexities are those measured on the demo model. What the tests draw, and what the drawings were judged by.
import type {
  BenchReport,
  ChannelInput,
  ChannelReport,
  CompareReport,
  Histogram,
  Ladder,
  LayerReport,
  LinearReport,
  ModelFacts,
  Provenance,
  QuantizationReport,
} from '../../src/report/types.ts';

/** Uniform in (0, 1), xorshift. */
export function seeded(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return ((state >>> 0) + 0.5) / 2 ** 32;
  };
}

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random());
}

export const provenance = {
  title: 'tiny-classics, four bits',
  command:
    'atom quantize models/tiny-classics --preset atom --calibration calibration.txt --out tiny-classics-atom',
  toolVersion: '0.1.0',
  date: '2026-11-21T07:34:28Z',
  machine: 'AMD EPYC, 2 cores with AVX-512 VNNI, 24 GiB',
  seconds: 312.4,
} satisfies Provenance;

export interface SampleSize {
  readonly layers: number;
  readonly hidden: number;
  readonly intermediate: number;
  readonly outliers: number;
}

export const modelSized = ({ layers, hidden, intermediate }: SampleSize): ModelFacts => ({
  name: 'tinyllama-1.1b',
  family: 'llama',
  parameters: 1_100_048_384,
  layers,
  hiddenSize: hidden,
  intermediateSize: intermediate,
  heads: 32,
  kvHeads: 4,
  vocabSize: 32_000,
});

const inputs: readonly ChannelInput[] = ['qkv', 'output', 'gateUp', 'down'];
const names = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'];

function channelsOf(layer: number, input: ChannelInput, size: SampleSize): ChannelReport {
  const random = seeded(7919 * (layer + 1) + inputs.indexOf(input));
  const count = input === 'down' ? size.intermediate : size.hidden;
  const magnitudes = Array.from({ length: count }, () => 0.4 * Math.exp(0.35 * normal(random)));
  for (let spike = 0; spike < count / 250; spike++) {
    const channel = Math.floor(random() * count);
    magnitudes[channel] = (magnitudes[channel] ?? 1) * (4 + 40 * random() ** 3);
  }
  const order = [...magnitudes.keys()].sort((a, b) => (magnitudes[a] ?? 0) - (magnitudes[b] ?? 0));
  const report = { layer, input, magnitudes, outliers: order.slice(count - size.outliers) };
  if (input !== 'down') return report;
  // A Hadamard transform evens them out.
  const even = magnitudes.map(() => 0.5 * Math.exp(0.04 * normal(random)));
  return { ...report, outliers: [], transformed: { magnitudes: even, outliers: 0 } };
}

function linearOf(name: string, layer: number, layers: number): LinearReport {
  const random = seeded(31 * layer + names.indexOf(name) * 1009 + 5);
  const isEnd = layer < 2 || layer === layers - 1;
  const isDown = name === 'down_proj';
  const error = 0.045 * Math.exp(0.25 * normal(random)) * (isDown ? 1.8 : 1) * (isEnd ? 1.5 : 1);
  const sensitivity = { 3: error * 2.3, 4: error, 8: error / 14, 16: error / 2000 };
  if (isDown && isEnd) {
    const reason = 'four bits would cost 3.1 times the median';
    return { name, weightBits: 8, activationBits: 8, error: error / 14, sensitivity, reason };
  }
  if (name === 'k_proj' && layer % 7 === 3) {
    const reason = 'keys of this layer are read by every later token';
    return { name, weightBits: 4, activationBits: 8, error: error / 2, sensitivity, reason };
  }
  return { name, weightBits: 4, activationBits: 4, error, sensitivity };
}

function layerOf(index: number, { layers, intermediate }: SampleSize): LayerReport {
  const linears = names.map((name) => linearOf(name, index, layers));
  const seconds = (intermediate / 5632) * 11 * (1 + 0.06 * normal(seeded(index + 3)));
  return { index, seconds, linears, kvBits: index === 0 ? 8 : 4 };
}

function histogramOf(kind: Histogram['kind'], title: string, spread: number): Histogram {
  const random = seeded(title.length * 77);
  const bins = 200;
  const reach = kind === 'weight' ? 0.12 : 9;
  const edges = Array.from({ length: bins + 1 }, (_, bin) => reach * ((2 * bin) / bins - 1));
  const counts = new Array<number>(bins).fill(0);
  for (let draw = 0; draw < 40_000; draw++) {
    const tail = kind === 'activation' && random() < 0.02 ? 6 : 1;
    const bin = Math.floor(((normal(random) * spread * tail) / reach / 2 + 0.5) * bins);
    if (counts[bin] !== undefined) counts[bin] += 25;
  }
  const codes = Array.from({ length: 16 }, (_, code) => (code - 8) * (kind === 'weight' ? 0.011 : 0.35));
  return { title, kind, edges, counts, codes };
}

/** Perplexities of golden/golden.json, and two steps beyond. */
export const sampleLadder: Ladder = {
  baseline: { name: 'FP32', perplexity: 46.858 },
  steps: [
    { name: 'RTN', note: 'W4A4 per token and channel', perplexity: 2602.24, seconds: 12.1 },
    { name: '+ outliers FP16', perplexity: 59.539, seconds: 12.9 },
    { name: '+ outliers INT8', perplexity: 59.684, seconds: 12.8 },
    { name: '+ groups of 32', perplexity: 49.685, seconds: 13.3 },
    { name: '+ clipping', perplexity: 49.024, seconds: 13.4 },
    { name: '+ GPTQ', perplexity: 48.221, seconds: 41.6 },
    { name: '+ KV INT4', note: 'atom-paper', perplexity: 50.455, seconds: 43.2 },
    { name: '+ keys after rope', perplexity: 48.402, seconds: 43.0 },
    { name: '+ rotation', note: 'atom', perplexity: 47.611, seconds: 52.7 },
  ],
  text: 'test.txt, 43,946 tokens in windows of 512',
};

export function sampleQuantization(size: SampleSize): QuantizationReport {
  const indices = [...new Array(size.layers).keys()];
  return {
    ...provenance,
    kind: 'quantization',
    model: modelSized(size),
    recipe: {
      name: 'atom',
      lines: [
        { label: 'Weights', value: 'INT4, groups of 128, GPTQ' },
        { label: 'Activations', value: 'INT4, groups of 128, dynamic' },
        { label: 'Outliers', value: `${size.outliers} channels in INT8` },
        { label: 'KV cache', value: 'INT4, asymmetric, per head' },
        { label: 'Calibration', value: '32 samples of 512 tokens' },
        { label: 'Seed', value: '0' },
      ],
    },
    sizes: {
      before: 2_200_119_864,
      after: 742_310_912,
      byPart: [
        { part: 'linears', before: 1_938_000_000, after: 533_000_000 },
        { part: 'embedding', before: 131_072_000, after: 131_072_000 },
        { part: 'output head', before: 131_072_000, after: 69_000_000 },
        { part: 'norms', before: 184_320, after: 184_320 },
        { part: 'scales and orders', before: 0, after: 9_054_592 },
      ],
    },
    averageBits: 4.42,
    layers: indices.map((index) => layerOf(index, size)),
    stages: [
      { name: 'Reading and tokenizing', seconds: 2.2 },
      { name: 'Calibration', seconds: 41.3 },
      { name: 'Choosing precision', seconds: 18.6 },
      { name: 'Quantizing', seconds: 244.9 },
      { name: 'Packing and writing', seconds: 5.4 },
    ],
    channels: indices.flatMap((layer) => inputs.map((input) => channelsOf(layer, input, size))),
    histograms: [
      histogramOf('weight', 'Weights of q_proj, layer 0', 0.021),
      histogramOf('weight', 'Weights of gate_proj, layer 11', 0.026),
      histogramOf('weight', 'Weights of down_proj, layer 21', 0.018),
      histogramOf('activation', 'Inputs of q, k, v, layer 0', 0.7),
      histogramOf('activation', 'Inputs of gate and up, layer 11', 0.9),
      histogramOf('activation', 'Inputs of down, layer 21', 0.5),
    ],
    perplexity: { before: 46.858, after: 47.611, text: 'test.txt' },
    ladder: sampleLadder,
  };
}

export function sampleComparison(): CompareReport {
  const scored = (shift: number) => [
    { task: 'piqa', metric: 'acc_norm', score: 0.733 - shift, standardError: 0.0103, chance: 0.5 },
    { task: 'arc_easy', metric: 'acc', score: 0.603 - shift * 1.4, standardError: 0.01, chance: 0.25 },
    { task: 'arc_challenge', metric: 'acc_norm', score: 0.301 - shift, standardError: 0.0134, chance: 0.25 },
    { task: 'boolq', metric: 'acc', score: 0.578 - shift * 2, standardError: 0.0086, chance: 0.5 },
    { task: 'hellaswag', metric: 'acc_norm', score: 0.592 - shift, standardError: 0.0049, chance: 0.25 },
    { task: 'winogrande', metric: 'acc', score: 0.591 - shift * 0.5, standardError: 0.0138, chance: 0.5 },
  ];
  const changeOf = (ratio: number) =>
    ratio === 1 ? {} : { change: { ratio, interval: [ratio * 0.997, ratio * 1.003] as const } };
  const checkpoint = (
    name: string,
    scheme: string,
    bytes: number,
    [a, b]: [number, number],
    shift: number,
  ) => ({
    name,
    scheme,
    bytes,
    bitsPerWeight: (8 * bytes) / 1_100_048_384,
    perplexities: [
      { text: 'WikiText-2', value: a, interval: [a * 0.985, a * 1.015] as const, ...changeOf(a / 7.97) },
      { text: 'C4', value: b, interval: [b * 0.99, b * 1.01] as const, ...changeOf(b / 9.92) },
    ],
    tasks: scored(shift),
  });
  return {
    ...provenance,
    kind: 'compare',
    title: 'tinyllama-1.1b in four schemes',
    command: 'atom eval --compare tinyllama tinyllama-w8a8 tinyllama-atom tinyllama-rtn',
    checkpoints: [
      checkpoint('tinyllama', 'BF16', 2_200_119_864, [7.97, 9.92], 0),
      checkpoint('tinyllama-w8a8', 'W8A8KV8', 1_240_300_000, [7.99, 9.94], 0.002),
      checkpoint('tinyllama-atom', 'W4A4KV4', 742_310_912, [8.34, 10.41], 0.011),
      checkpoint('tinyllama-rtn', 'W4A4', 702_000_000, [31.6, 44.1], 0.087),
    ],
  };
}

export function sampleBench(): BenchReport {
  const shares: Readonly<Record<string, readonly number[]>> = {
    'linear W4A4': [0.86, 0.85, 0.81, 0.74, 0.69, 0.74, 0.79, 0.81, 0.82, 0.82],
    'linear W4A8': [0.88, 0.87, 0.84, 0.72, 0.66, 0.71, 0.77, 0.79, 0.8, 0.8],
    'linear W8A8': [0.91, 0.9, 0.88, 0.82, 0.71, 0.73, 0.76, 0.78, 0.79, 0.79],
    'linear BF16': [0.93, 0.92, 0.9, 0.88, 0.8, 0.61, 0.62, 0.64, 0.65, 0.65],
    'attention KV4': [0.71, 0.73, 0.74, 0.75, 0.75, 0.74, 0.72, 0.7, 0.69, 0.68],
  };
  const kernels = ['2048 x 5632', '4096 x 11008'].flatMap((shape, place) =>
    Object.entries(shares).flatMap(([operator, row]) =>
      row.map((share, power) => ({
        operator,
        shape,
        rows: 2 ** power,
        seconds: ((2 ** power + 24) * (1 + 3 * place)) / 9e4,
        ceilingShare: share + 0.02 * place,
        bound: power < 4 ? ('memory' as const) : ('compute' as const),
      })),
    ),
  );
  const speeds: Readonly<Record<string, readonly number[]>> = {
    W4A4KV4: [112, 202, 341, 466, 548, 602, 631],
    W4A8KV4: [110, 190, 320, 421, 490, 520, 541],
    W8A8KV8: [61, 118, 221, 330, 402, 446, 470],
    BF16: [31, 60, 112, 160, 190, 204, 210],
    'node-llama-cpp Q4_0': [27, 39, 52, 61, 66, 68, 69],
  };
  const serving = Object.entries(speeds).flatMap(([scheme, row]) =>
    row.map((tokensPerSecond, power) => ({
      scheme,
      batch: 2 ** power,
      tokensPerSecond,
      tokenLatency: 2 ** power / tokensPerSecond,
      tokenLatency99: (1.3 * 2 ** power) / tokensPerSecond,
      peer: scheme.startsWith('node'),
    })),
  );
  return {
    ...provenance,
    kind: 'bench',
    title: 'Serving a 1.1B model on two cores',
    command: 'atom bench compare --shape 1.1b --batches 1,2,4,8,16,32,64',
    kernels,
    serving,
    fixedMemory: {
      bytes: 3_000_000_000,
      bars: [
        { scheme: 'W4A4KV4', batch: 96, tokensPerSecond: 640 },
        { scheme: 'W8A8KV8', batch: 32, tokensPerSecond: 446 },
        { scheme: 'BF16', batch: 4, tokensPerSecond: 112 },
        { scheme: 'node-llama-cpp Q4_0', batch: 24, tokensPerSecond: 67, peer: true },
      ],
    },
    settings: [
      { label: 'Instruction set', value: 'AVX-512 VNNI' },
      { label: 'Threads', value: '2' },
      { label: 'Integer peak', value: '1 960 GOPS' },
      { label: 'Read bandwidth', value: '83 GB/s' },
    ],
  };
}
