// What quantizing a model of another size takes, from one that was measured: memory by what lies in it at the worst
// moment, time by the number of operations. Written from what src/quantize does by default; pure arithmetic.

/** A decoder as numbers. */
export interface DecoderSize {
  readonly name: string;
  readonly layers: number;
  readonly hidden: number;
  readonly intermediate: number;
  /** Channels of all query heads, and of all key heads. */
  readonly queries: number;
  readonly keys: number;
  readonly vocabulary: number;
}

/** TinyLlama 1.1B, Llama 2 7B, Llama 3.1 8B and 70B. */
export const sizes: readonly DecoderSize[] = [
  size('1.1B', { layers: 22, hidden: 2048, intermediate: 5632, keys: 256, vocabulary: 32_000 }),
  size('7B', { layers: 32, hidden: 4096, intermediate: 11_008, keys: 4096, vocabulary: 32_000 }),
  size('8B', { layers: 32, hidden: 4096, intermediate: 14_336, keys: 1024, vocabulary: 128_256 }),
  size('70B', { layers: 80, hidden: 8192, intermediate: 28_672, keys: 1024, vocabulary: 128_256 }),
];

/** Of all these models queries are as wide as the hidden state. */
function size(name: string, of: Omit<DecoderSize, 'name' | 'queries'>): DecoderSize {
  return { name, queries: of.hidden, ...of };
}

/** 32 samples of 512 tokens. */
export const defaultTokens = 32 * 512;

/** Rows that a layer is run over at a time. */
const stepRows = 2048;

/** Weights of a layer's linears, (inputs, outputs) by input. */
function linearsOf({ hidden, intermediate, queries, keys }: DecoderSize) {
  return {
    qkv: [hidden, queries + 2 * keys],
    output: [queries, hidden],
    gateUp: [hidden, 2 * intermediate],
    down: [intermediate, hidden],
  } as const;
}

/**
 * Multiplications and additions of the default preset. Of each layer: one pass to measure it; then, for each input to be
 * seen as the quantized linears before it make it, q, k, v and gate, up twice more, o and down once more; Gram matrices of
 * all inputs and of the stream; rounding and its error; the rotation. Once: embedding and output layer turned.
 */
export function operationsOf(
  decoder: DecoderSize,
  { layers = decoder.layers, tokens = defaultTokens } = {},
): number {
  const { qkv, output, gateUp, down } = linearsOf(decoder);
  const weights = ([inputs, outputs]: readonly [number, number]) => inputs * outputs;
  const square = decoder.hidden ** 2;
  const passes = 3 * weights(qkv) + 2 * weights(output) + 3 * weights(gateUp) + 2 * weights(down);
  let perToken = 2 * passes + 2 * square;
  let perLayer = 0;
  for (const [inputs, outputs] of [qkv, output, gateUp, down]) {
    perToken += inputs ** 2;
    // The factor of the inverse; GPTQ; twice a product with the Gram matrix for the error.
    perLayer += inputs ** 3 + 5 * outputs * inputs ** 2;
    perLayer += 2 * decoder.hidden * inputs * outputs;
  }
  return layers * (tokens * perToken + perLayer) + 4 * decoder.vocabulary * square;
}

/**
 * Bytes at the worst moment, when `down` is rounded: embedding and output layer in f32 and as the file has them; the layer
 * in f32; a Gram matrix, a copy of it and its factor; a weight before and after; the rotation; the calibration tokens'
 * hidden states and a step's buffers; the process.
 */
export function memoryOf(decoder: DecoderSize, { tokens = defaultTokens } = {}): number {
  const { hidden, intermediate, queries, keys, vocabulary } = decoder;
  const weights = Object.values(linearsOf(decoder)).reduce(
    (sum, [inputs, outputs]) => sum + inputs * outputs,
    0,
  );
  const widest = Math.max(intermediate, queries);
  const perRow = hidden + queries + 2 * keys + 3 * intermediate;
  return (
    12 * vocabulary * hidden +
    4 * weights +
    12 * widest ** 2 +
    8 * hidden * widest +
    12 * hidden ** 2 +
    4 * tokens * hidden +
    4 * Math.min(tokens, stepRows) * perRow +
    120e6
  );
}

export interface Forecast {
  readonly size: DecoderSize;
  readonly memory: number;
  readonly seconds: number;
}

/** Of all sizes, from `seconds` that one took in part of its layers; none where that one is not known. */
export function forecasts({
  name,
  layers,
  seconds,
}: {
  name: string;
  layers: number;
  seconds: number;
}): Forecast[] {
  const measured = sizes.find((each) => each.name === name);
  if (measured === undefined) return [];
  const rate = operationsOf(measured, { layers }) / seconds;
  return sizes.map((each) => ({ size: each, memory: memoryOf(each), seconds: operationsOf(each) / rate }));
}
