// One weight to the values that its codes stand for: rounded to nearest, or column by column against a Hessian.
// Columns come already reordered; the last ones are the outliers. Codes are recovered from values and scales (pack.ts).
import type { Backend } from '../backend/backend.ts';
import type { ElementFormat, FakeQuant, GroupScaleRule } from '../backend/formats.ts';
import type { Tensor } from '../backend/tensor.ts';
import type { LinearInput } from '../model/model-source.ts';
import { fakeQuantize } from '../numerics/fake-quant.ts';
import { nvfp4TensorScale } from '../numerics/float4.ts';
import { roundAllToBf16, roundToFp16 } from '../numerics/half-floats.ts';
import { peakOf } from '../numerics/rounding.ts';
import { symmetricCode, symmetricScale } from '../numerics/symmetric.ts';
import { groupSizeOf, type Recipe } from './recipe.ts';

/** The scales of a rounded weight. */
export interface RoundedWeight {
  readonly scales: Float32Array; // (out / channelGroup, groups)
  readonly outlierScales: Float32Array; // (out); empty without INT8 or FP8 outliers
  /** nvfp4: the scale over all of them. */
  readonly tensorScale: number;
}

interface RoundingOptions {
  readonly backend: Backend;
  readonly recipe: Recipe;
  /** (in) f32: what a squared error of each column weighs in a search of clip ratios. */
  readonly importance?: Tensor;
}

/** weight (out, in) f32 becomes its rounded values, in place. */
export function roundToNearest(weight: Tensor, options: RoundingOptions): RoundedWeight {
  return roundColumns(weight, options);
}

/**
 * The same with each column's error spread over the columns after it. `spread` (in, in) f32 is the upper Cholesky factor of
 * the inverse Hessian (Backend.inverseCholesky).
 */
export function roundBySpread(
  weight: Tensor,
  options: RoundingOptions & { readonly spread: Tensor },
): RoundedWeight {
  return roundColumns(weight, options);
}

function roundColumns(
  weight: Tensor,
  { backend, recipe, importance, spread }: RoundingOptions & { readonly spread?: Tensor },
): RoundedWeight {
  const [rows, columns] = weight.shape as [number, number];
  const { format, channelGroup } = recipe.weight;
  const normal = columns - recipe.outliers.channels;
  const groupSize = groupSizeOf(format, recipe.weight.groupSize, normal);
  const tensorScale = format === 'nvfp4' ? nvfp4TensorScale(weight.f32()) : 1;
  using scales = backend.allocate('f32', [rows / channelGroup, normal / groupSize]);
  const prune = recipe.rounding === 'sparsegpt' ? recipe.prune : undefined;
  if (format !== 'none' || prune) {
    using quantized = backend.allocate('f32', [rows, columns]);
    const blockSize = spread ? recipe.gptq.blockSize : normal;
    for (let start = 0; start < normal; start += blockSize) {
      backend.gptqColumns({
        weight,
        quantized,
        ...(spread && { spread }),
        ...(importance && { importance }),
        scales,
        start,
        end: Math.min(start + blockSize, normal),
        groupSize,
        channelGroup,
        rule: { ...scaleRule(recipe), tensorScale },
        ...(prune && { prune }),
      });
    }
    const [values, rounded] = [weight.f32(), quantized.f32()];
    for (let row = 0; row < rows; row++) {
      values.set(rounded.subarray(row * columns, row * columns + normal), row * columns);
    }
  }
  if (format === 'none') roundPlain(weight);
  return { scales: scales.f32().slice(), outlierScales: roundOutliers(weight, recipe), tensorScale };
}

/** A weight that stays plain becomes what the checkpoint will hold of it, in place: BF16. */
export function roundPlain(weight: Tensor): void {
  roundAllToBf16(weight.f32());
}

function scaleRule({ weight, gptq, rounding }: Recipe): GroupScaleRule {
  const { format, clip, eitherSign, publishedRange, scale } = weight;
  const integer = format.startsWith('int');
  return {
    format,
    publishedRange: publishedRange && rounding !== 'rtn',
    stale: gptq.staleScales,
    roundToFp16: scale === 'f16' && (integer || format === 'fp4'),
    clip: clip === 'search' ? { steps: 7, low: 0.65, eitherSign: integer && eitherSign } : clip,
  };
}

/** The last columns, each row of them one group; gives the scales of formats that have some. */
function roundOutliers(weight: Tensor, recipe: Recipe): Float32Array {
  const { channels, format } = recipe.outliers;
  if (channels === 0 || recipe.weight.format === 'none') return new Float32Array();
  const [rows, columns] = weight.shape as [number, number];
  const values = weight.f32();
  const scales = new Float32Array(format === 'fp16' ? 0 : rows).fill(1);
  for (let row = 0; row < rows; row++) {
    const at = values.subarray((row + 1) * columns - channels, (row + 1) * columns);
    if (format === 'int8') {
      const exact = symmetricScale(peakOf(at), { bits: 8 });
      const scale = recipe.weight.scale === 'f16' ? roundToFp16(exact) : exact;
      scales[row] = scale;
      for (const [i, value] of at.entries()) at[i] = symmetricCode(value, scale, 8) * scale;
    } else {
      at.set(fakeQuantize(at.slice(), plainQuantizer(format)));
    }
  }
  return scales;
}

const plainQuantizer = (format: ElementFormat): FakeQuant => ({
  format,
  groupSize: 0,
  range: 'symmetric',
  clip: 1,
  outlierChannels: 0,
  outlierFormat: 'none',
  outlierClip: 1,
});

/** What a linear's input goes through. */
export function activationQuantizer(
  { activation, outliers, transforms }: Recipe,
  input: LinearInput,
): FakeQuant {
  return {
    ...activation,
    outlierChannels: outliers.channels,
    outlierFormat: outliers.format,
    outlierClip: 1,
    hadamard: transforms.downHadamard && input === 'down',
  };
}
