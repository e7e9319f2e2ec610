// GPTQ (Frantar et al., 2022) as Atom's published code runs it, in plain loops: columns are quantized one after
// another, and the error of each is spread over the columns still to come so that the layer's output changes least.
// The truth for the native block kernel. Columns come already reordered; the outliers, last, absorb errors as INT8.
import { AtomError } from '../errors.ts';
import { upperCholeskyOfInverse } from './cholesky.ts';
import { clamp, peakOf, roundHalfEven, smallestPeak } from './rounding.ts';
import { largestCode } from './symmetric.ts';
import { emptyWeightCodes, quantizeOutlierColumns, type WeightCodes, type WeightScheme } from './weight.ts';

export interface GptqOptions extends WeightScheme {
  /** Share of the mean diagonal added to the diagonal of the Hessian. */
  readonly damping?: number;
  /** Columns whose errors are spread at once over the rest; group scales see the errors of whole blocks only. */
  readonly blockSize?: number;
}

/** H = (2 / n) sum of x x^T over n inputs (n, channels); (channels, channels). */
export function hessianOf(inputs: Float32Array, channels: number): Float64Array {
  const n = inputs.length / channels;
  const hessian = new Float64Array(channels * channels);
  for (let token = 0; token < n; token++) {
    const x = inputs.subarray(token * channels, (token + 1) * channels);
    for (const [i, xi] of x.entries()) {
      const scaled = (2 / n) * xi;
      for (const [j, xj] of x.entries()) hessian[i * channels + j]! += scaled * xj;
    }
  }
  return hessian;
}

/**
 * Quantizes weight (out, in) against the Hessian (in, in) of its inputs. Neither is changed. A channel that is zero in
 * every input loses its weights, as in the published code.
 * Throws `bad-shape` when shapes or groups do not fit, `numeric` when the damped Hessian is not positive definite.
 */
export function gptq(
  weight: Float32Array,
  outFeatures: number,
  hessian: Float64Array,
  { damping = 0.01, blockSize = 128, ...scheme }: GptqOptions,
): WeightCodes {
  const result = emptyWeightCodes(weight, outFeatures, scheme);
  const { inFeatures, codes, scales } = result;
  if (hessian.length !== inFeatures ** 2) {
    throw new AtomError(
      'bad-shape',
      `a Hessian of ${hessian.length} entries does not fit ${inFeatures} channels`,
    );
  }
  const { groupSize, channelGroup } = result;
  const numNormal = inFeatures - scheme.outlierChannels;
  const groups = numNormal / groupSize;

  const work = weight.slice(); // (out, in), what is left to represent
  const damped = dampedHessian(hessian, inFeatures, damping, (dead) => {
    for (let row = 0; row < outFeatures; row++) work[row * inFeatures + dead] = 0;
  });
  const spread = Float32Array.from(upperCholeskyOfInverse(damped, inFeatures)); // (in, in) upper

  for (let blockStart = 0; blockStart < numNormal; blockStart += blockSize) {
    const blockEnd = Math.min(blockStart + blockSize, numNormal);
    // Scales of groups entered in this block see `work` as it was before the block, so errors gather in `inner`.
    const inner = work.slice(); // (out, in); only [blockStart, blockEnd) is used
    const errors = new Float32Array(outFeatures * blockSize); // (out, blockSize)

    for (let column = blockStart; column < blockEnd; column++) {
      const group = Math.floor(column / groupSize);
      if (column % groupSize === 0) enterGroup(work, result, scheme, group);
      const pivot = spread[column * inFeatures + column]!;
      for (let row = 0; row < outFeatures; row++) {
        const at = row * inFeatures + column;
        const scale = scales[Math.floor(row / channelGroup) * groups + group]!;
        const top = largestCode(scheme.bits);
        const code = clamp(roundHalfEven(Math.fround(inner[at]! / scale)), -top - 1, top);
        codes[row * numNormal + column] = code;
        const error = Math.fround(Math.fround(inner[at]! - Math.fround(code * scale)) / pivot);
        errors[row * blockSize + column - blockStart] = error;
        for (let next = column + 1; next < blockEnd; next++) {
          inner[row * inFeatures + next]! -= Math.fround(error * spread[column * inFeatures + next]!);
        }
      }
    }
    spreadBlock(work, errors, spread, { inFeatures, outFeatures, blockStart, blockEnd, blockSize });
  }
  quantizeOutlierColumns(work, result);
  return result;
}

/** H + damping * mean(diag H) I; unused channels get 1 on the diagonal first and are reported. */
function dampedHessian(
  hessian: Float64Array,
  n: number,
  damping: number,
  onDead: (channel: number) => void,
): Float64Array {
  const damped = hessian.slice();
  let trace = 0;
  for (let i = 0; i < n; i++) {
    if (damped[i * n + i] === 0) {
      damped[i * n + i] = 1;
      onDead(i);
    }
    trace += damped[i * n + i]!;
  }
  for (let i = 0; i < n; i++) damped[i * n + i]! += (damping * trace) / n;
  return damped;
}

/**
 * Takes the scales of a group from the weights as they are now. The published GPTQ divides the whole range 2 * peak by
 * 2^bits - 1 steps, a little finer than round-to-nearest, which divides peak by 2^(bits-1) - 1.
 */
function enterGroup(work: Float32Array, result: WeightCodes, scheme: WeightScheme, group: number): void {
  const { inFeatures, outFeatures, scales, channelGroup, groupSize } = result;
  const groups = (inFeatures - scheme.outlierChannels) / groupSize;
  for (let first = 0; first < outFeatures; first += channelGroup) {
    let peak: number = smallestPeak;
    for (let row = first; row < first + channelGroup; row++) {
      const start = row * inFeatures + group * groupSize;
      peak = Math.max(peak, peakOf(work.subarray(start, start + groupSize)));
    }
    const range = Math.fround(2 * peak * Math.fround(scheme.clip));
    scales[(first / channelGroup) * groups + group] = Math.fround(range / (2 ** scheme.bits - 1));
  }
}

/** work[:, blockEnd:] -= errors spread[block, blockEnd:] */
function spreadBlock(
  work: Float32Array,
  errors: Float32Array,
  spread: Float32Array,
  at: { inFeatures: number; outFeatures: number; blockStart: number; blockEnd: number; blockSize: number },
): void {
  const { inFeatures, outFeatures, blockStart, blockEnd, blockSize } = at;
  for (let row = 0; row < outFeatures; row++) {
    for (let next = blockEnd; next < inFeatures; next++) {
      let sum = 0;
      for (let column = blockStart; column < blockEnd; column++) {
        sum += errors[row * blockSize + column - blockStart]! * spread[column * inFeatures + next]!;
      }
      work[row * inFeatures + next]! -= sum;
    }
  }
}
