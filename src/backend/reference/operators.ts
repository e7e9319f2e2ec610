// The operators of a step in slow, obvious TypeScript: the truth that every instruction set is tested against.
// Tensors come from whoever calls; caches and weights are plain arrays here.
import { asymmetricParameters, dequantizeAsymmetric, quantizeAsymmetric } from '../../numerics/asymmetric.ts';
import { fakeQuantize } from '../../numerics/fake-quant.ts';
import { walshHadamard } from '../../numerics/hadamard.ts';
import { decodeBf16, decodeFp16, encodeBf16, roundToBf16 } from '../../numerics/half-floats.ts';
import type { Activation, AttentionGeometry, Backend, Batch } from '../backend.ts';
import type { KvFormat } from '../formats.ts';
import type { Tensor } from '../tensor.ts';

type Args<Name extends keyof Backend> = Backend[Name] extends (args: infer A) => unknown ? A : never;

/** The values of a floating-point tensor. */
export function valuesOf(tensor: Tensor): Float32Array {
  if (tensor.dtype === 'f32') return tensor.f32();
  return Float32Array.from(tensor.u16(), tensor.dtype === 'bf16' ? decodeBf16 : decodeFp16);
}

export function embed({ table, tokenIds, out, tokens }: Args<'embed'>): void {
  const hidden = table.shape[1]!;
  const values = valuesOf(table);
  for (let token = 0; token < tokens; token++) {
    const id = tokenIds.i32()[token]!;
    out.f32().set(values.subarray(id * hidden, (id + 1) * hidden), token * hidden);
  }
}

/** Reorders and quantizes a finished row as the activation wants, and stores it. */
export function storeRow(out: Activation, row: number, values: Float32Array): void {
  const order = out.reorder?.i32();
  const stored = order ? Float32Array.from(order, (channel) => values[channel]!) : values;
  const at = row * out.channels;
  if (out.format.kind === 'bf16') out.storage.u16().set(Uint16Array.from(stored, encodeBf16), at);
  else
    out.storage
      .f32()
      .set(out.format.kind === 'simulated' ? fakeQuantize(stored, out.format.quantizer) : stored, at);
}

function normalised(x: Float32Array, weight: Float32Array, epsilon: number): Float32Array {
  const meanSquare = x.reduce((sum, value) => sum + value * value, 0) / x.length;
  const scale = 1 / Math.sqrt(meanSquare + epsilon);
  return x.map((value, i) => value * scale * weight[i]!);
}

export function rmsNorm({ x, weight, epsilon, out, tokens, rows }: Args<'rmsNorm'>): void {
  const channels = weight.size;
  for (let token = 0; token < tokens; token++) {
    const row = rows ? rows.i32()[token]! : token;
    const values = x.f32().subarray(row * channels, (row + 1) * channels);
    storeRow(out, token, normalised(values, weight.f32(), epsilon));
  }
}

export function siluMul({ gateUp, out, tokens }: Args<'siluMul'>): void {
  const { channels } = out;
  for (let token = 0; token < tokens; token++) {
    const gate = gateUp.f32().subarray(token * 2 * channels, (token * 2 + 1) * channels);
    const up = gateUp.f32().subarray((token * 2 + 1) * channels, (token * 2 + 2) * channels);
    storeRow(
      out,
      token,
      gate.map((g, c) => (g / (1 + Math.exp(-g))) * up[c]!),
    );
  }
}

/** x (tokens, in) times weight (out, in) transposed, in f64. */
export function matrixProduct(x: Float32Array, weight: Float32Array, inFeatures: number): Float64Array {
  const tokens = x.length / inFeatures;
  const outFeatures = weight.length / inFeatures;
  const out = new Float64Array(tokens * outFeatures);
  for (let token = 0; token < tokens; token++) {
    for (let column = 0; column < outFeatures; column++) {
      let sum = 0;
      for (let k = 0; k < inFeatures; k++)
        sum += x[token * inFeatures + k]! * weight[column * inFeatures + k]!;
      out[token * outFeatures + column] = sum;
    }
  }
  return out;
}

function rotate(x: Float32Array, cos: Float32Array, sin: Float32Array): Float32Array {
  const half = x.length / 2;
  return x.map((value, i) => {
    const pair = i % half;
    const other = i < half ? -x[i + half]! : x[i - half]!;
    return value * cos[pair]! + other * sin[pair]!;
  });
}

/** What a cache of this format gives back for one head's vector. */
function throughCache(x: Float32Array, bits: KvFormat['keyBits'], clip: number): Float32Array {
  if (bits === 32) return x;
  if (bits === 16) return x.map(roundToBf16);
  const options = { bits, groupSize: x.length, clip };
  return Number.isNaN(asymmetricParameters(x, options).scale)
    ? x.map(() => Number.NaN)
    : dequantizeAsymmetric(quantizeAsymmetric(x, options));
}

/** Keys and values of one layer by block, slot and head: what a paged cache holds, without its layout. */
export class ReferenceKvLayer {
  readonly format: KvFormat;
  readonly blockSize: number;
  readonly #entries = new Map<string, { key: Float32Array; value: Float32Array }>();

  constructor({ format, blockSize }: { format: KvFormat; blockSize: number }) {
    this.format = format;
    this.blockSize = blockSize;
  }

  entry(block: number, slot: number, head: number): { key: Float32Array; value: Float32Array } {
    return this.#entries.get(`${block}/${slot}/${head}`)!;
  }

  append(args: Omit<Args<'ropeAppendKv'>, 'cache' | 'layer'>): void {
    const { qkv, geometry, cos, sin, qNorm, kNorm, epsilon = 0, batch } = args;
    const { numHeads, numKvHeads, headDim } = geometry;
    const { keyBits, valueBits, keyBeforeRope = false, keyHadamard = false, clip = 1 } = this.format;
    for (const { token, position, block } of placesOf(batch, this.blockSize)) {
      const table = (tensor: Tensor) =>
        tensor.f32().subarray((position * headDim) / 2, ((position + 1) * headDim) / 2);
      const head = (index: number) => headOf(qkv, geometry, token, index);
      const prepare = (x: Float32Array, norm: Tensor | undefined) =>
        norm ? normalised(x, norm.f32(), epsilon) : x.slice();
      const turn = (x: Float32Array) => {
        const rotated = rotate(x, table(cos), table(sin));
        return keyHadamard ? walshHadamard(rotated, headDim & -headDim) : rotated;
      };
      for (let i = 0; i < numHeads; i++) head(i).set(turn(prepare(head(i), qNorm)));
      for (let i = 0; i < numKvHeads; i++) {
        const plain = prepare(head(numHeads + i), kNorm);
        const key = keyBeforeRope
          ? turn(throughCache(plain, keyBits, clip))
          : throughCache(turn(plain), keyBits, clip);
        const value = throughCache(head(numHeads + numKvHeads + i).slice(), valueBits, clip);
        this.#entries.set(`${block}/${position % this.blockSize}/${i}`, { key, value });
      }
    }
  }

  attend({ qkv, geometry, scale, batch, window, out }: Omit<Args<'attention'>, 'cache' | 'layer'>): void {
    const { numHeads, numKvHeads, headDim } = geometry;
    for (const { token, position, blocks } of placesOf(batch, this.blockSize)) {
      const first = window ? Math.max(0, position + 1 - window) : 0;
      const row = new Float32Array(numHeads * headDim);
      for (let i = 0; i < numHeads; i++) {
        const q = headOf(qkv, geometry, token, i);
        const seen = Array.from({ length: position + 1 - first }, (_, j) => {
          const at = first + j;
          return this.entry(
            blocks[Math.floor(at / this.blockSize)]!,
            at % this.blockSize,
            Math.floor((i * numKvHeads) / numHeads),
          );
        });
        const scores = seen.map(({ key }) => q.reduce((sum, value, c) => sum + value * scale * key[c]!, 0));
        const largest = scores.reduce((a, b) => Math.max(a, b));
        const weights = scores.map((score) => Math.exp(score - largest));
        const total = weights.reduce((a, b) => a + b);
        for (let c = 0; c < headDim; c++) {
          row[i * headDim + c] = seen.reduce((sum, { value }, j) => sum + weights[j]! * value[c]!, 0) / total;
        }
      }
      storeRow(out, token, row);
    }
  }
}

function headOf(
  qkv: Tensor,
  { numHeads, numKvHeads, headDim }: AttentionGeometry,
  token: number,
  head: number,
): Float32Array {
  const start = token * (numHeads + 2 * numKvHeads) * headDim + head * headDim;
  return qkv.f32().subarray(start, start + headDim);
}

/** Every token of a batch with its position and the cache blocks of its sequence. */
function* placesOf(batch: Batch, blockSize: number) {
  const stride = batch.blockTable.shape[1]!;
  for (let sequence = 0; sequence < batch.numSequences; sequence++) {
    const blocks = batch.blockTable.i32().subarray(sequence * stride, (sequence + 1) * stride);
    const [from, to] = batch.sequenceStart.i32().subarray(sequence, sequence + 2) as unknown as [
      number,
      number,
    ];
    for (let token = from; token < to; token++) {
      const position = batch.positions.i32()[token]!;
      yield { token, position, block: blocks[Math.floor(position / blockSize)]!, blocks };
    }
  }
}
