// Weights and inputs of noise for benchmarks: made quickly, different from place to place, the same in every run.
import type { Activation, Backend, LinearWeight } from '../../backend/backend.ts';
import type { ActivationFormat, LinearSource } from '../../backend/formats.ts';
import type { Tensor } from '../../backend/tensor.ts';
import type { LinearShape } from './shapes.ts';

/** A prime, so that no row of a matrix repeats the row before. */
const noisePeriod = 1_048_573;

let noise: Uint8Array | undefined;

/** One period of noise (xorshift; Marsaglia, 2003), made once. */
function noiseBytes(): Uint8Array {
  if (noise) return noise;
  let state = 0x2545f491;
  noise = Uint8Array.from({ length: noisePeriod }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 16;
  });
  return noise;
}

/** Fills with periods of noise passed through `shape`. */
function fill(to: Float32Array | Uint16Array | Uint8Array, shape: (byte: number) => number): void {
  const source = noiseBytes();
  const count = Math.min(to.length, noisePeriod);
  for (let i = 0; i < count; i++) to[i] = shape(source[i]!);
  for (let done = count; done < to.length; done += count)
    to.copyWithin(done, 0, Math.min(count, to.length - done));
}

/** Numbers from -1 to 1. */
export function noiseTensor(backend: Backend, dtype: 'f32' | 'bf16', shape: readonly number[]): Tensor {
  const tensor = backend.allocate(dtype, shape);
  if (dtype === 'f32') fill(tensor.f32(), (byte) => (byte - 127.5) / 127.5);
  // Sign and the upper bits of the fraction, beside the exponent of 0.5.
  else fill(tensor.u16(), (byte) => ((byte & 0x80) << 8) | 0x3f00 | (byte & 0x7f));
  return tensor;
}

/** Numbers a little above 1: gains of a norm. */
export function noiseGains(backend: Backend, channels: number): Tensor {
  const tensor = backend.allocate('f32', [channels]);
  fill(tensor.f32(), (byte) => 1 + byte / 1024);
  return tensor;
}

/** Any order of the channels without a pattern that a prefetcher could follow. */
export function noiseOrder(backend: Backend, channels: number): Tensor {
  const tensor = backend.allocate('i32', [channels]);
  const order = tensor.i32();
  const source = noiseBytes();
  for (let i = 0; i < channels; i++) order[i] = i;
  for (let i = channels - 1; i > 0; i--) {
    const other = (source[2 * i]! * 256 + source[2 * i + 1]!) % (i + 1);
    [order[i], order[other]] = [order[other]!, order[i]!];
  }
  return tensor;
}

export interface IntegerLayout {
  readonly bits: 4 | 8;
  readonly groupSize: number;
  readonly outliers: number;
}

/** An integer weight as a checkpoint holds it; `owned` receives its tensors. */
export function noiseIntegers(
  backend: Backend,
  { inFeatures, outFeatures }: LinearShape,
  { bits, groupSize, outliers }: IntegerLayout,
  owned: Tensor[],
): Extract<LinearSource, { kind: 'int' }> {
  const normal = inFeatures - outliers;
  const codes = (dtype: 'u8' | 'i8', columns: number) => {
    const tensor = backend.allocate(dtype, [outFeatures, columns]);
    fill(tensor.bytes(), (byte) => byte);
    owned.push(tensor);
    return tensor;
  };
  const scales = (shape: readonly number[]) => {
    const tensor = backend.allocate('f16', shape);
    fill(tensor.u16(), (byte) => 0x2000 | byte); // 2^-7 and a little more
    owned.push(tensor);
    return tensor;
  };
  return {
    kind: 'int',
    bits,
    groupSize,
    channelGroup: 1,
    weight: bits === 4 ? codes('u8', normal / 2) : codes('i8', normal),
    scale: scales([outFeatures, normal / groupSize]),
    ...(outliers > 0 && { outlierWeight: codes('i8', outliers), outlierScale: scales([outFeatures]) }),
  };
}

/** The value of a code that `noiseIntegers` made: row `row`, column `column`. */
export function integerValue(source: LinearSource, row: number, column: number): number {
  if (source.kind !== 'int' && source.kind !== 'weightOnly') throw new TypeError('not an integer weight');
  const { bits, weight, scale, groupSize } = source;
  const groups = scale.shape[1]!;
  const normal = groups * groupSize;
  const half = (pattern: number) => 2 ** -7 * (1 + (pattern & 0x3ff) / 1024);
  const signed = (code: number, width: number) => (code << (32 - width)) >> (32 - width);
  if (source.kind === 'int' && column >= normal) {
    const { outlierWeight, outlierScale } = source;
    const columns = outlierWeight!.shape[1]!;
    const code = outlierWeight!.bytes()[row * columns + column - normal]!;
    return signed(code, 8) * half(outlierScale!.u16()[row]!);
  }
  const factor = half(scale.u16()[row * groups + Math.floor(column / groupSize)]!);
  if (bits === 8) return signed(weight.bytes()[row * normal + column]!, 8) * factor;
  const byte = weight.bytes()[(row * normal + column) >> 1]!;
  return signed(column % 2 === 0 ? byte : byte >> 4, 4) * factor;
}

/** An input of `rows` rows in a format, as an operator before the linear would have left it. */
export function noiseInput(
  backend: Backend,
  format: ActivationFormat,
  { channels, rows, order }: { channels: number; rows: number; order?: Tensor },
): { input: Activation; storage: Tensor } {
  const storage = backend.allocate('u8', [backend.activationBytes({ format, channels, maxTokens: rows })]);
  const reorder = order && { reorder: order };
  const input = backend.activation({ format, channels, maxTokens: rows, storage, ...reorder });
  using x = noiseTensor(backend, 'f32', [rows, channels]);
  using weight = noiseGains(backend, channels);
  backend.rmsNorm({ x, weight, epsilon: 1e-5, out: input, tokens: rows });
  return { input, storage };
}

/** Larger than any last-level cache that this runs on: weights that are run in turn come from memory, as a model's do. */
const beyondCaches = 256 * 2 ** 20;

/** Bounds the time that tiny shapes take to load; they stay in the caches, as tiny models do. */
const mostWeights = 256;

/** So many weights of one kind, one after the other without end, that each has left the caches when its turn comes. */
export class WeightRing implements Disposable {
  readonly weights: readonly LinearWeight[];
  #turn = 0;

  constructor(load: () => LinearWeight) {
    const first = load();
    const count = Math.min(Math.ceil(beyondCaches / first.byteLength), mostWeights);
    this.weights = [first, ...Array.from({ length: count - 1 }, load)];
  }

  next(): LinearWeight {
    this.#turn = (this.#turn + 1) % this.weights.length;
    return this.weights[this.#turn]!;
  }

  [Symbol.dispose](): void {
    for (const weight of this.weights) weight[Symbol.dispose]();
  }
}
