// One weight to the values that its codes stand for: round to nearest, or GPTQ against a Hessian.
// Columns come already reordered; the last ones are the outliers.
import type { Backend } from '../backend/backend.ts';
import type { Tensor } from '../backend/tensor.ts';
import { AtomError } from '../errors.ts';
import { upperCholeskyOfInverse } from '../numerics/cholesky.ts';
import { fakeQuantize } from '../numerics/fake-quant.ts';
import { dequantizeWeight, quantizeWeight } from '../numerics/weight.ts';
import { bitsOf, type Recipe } from './recipe.ts';

/** weight (out, in) f32 becomes its quantized values, in place. `hessian` (in, in) f32 is needed for GPTQ. */
export function quantizeMatrix(
  weight: Tensor,
  { backend, recipe, hessian }: { backend: Backend; recipe: Recipe; hessian?: Tensor | undefined },
): void {
  if (recipe.weight.format === 'none') return;
  if (recipe.method === 'gptq') {
    if (!hessian) throw new AtomError('internal', 'GPTQ was asked for without a Hessian');
    quantizeByGptq(weight, { backend, recipe, hessian });
  } else {
    roundToNearest(weight, recipe);
  }
  quantizeOutliers(weight, recipe);
}

function roundToNearest(weight: Tensor, recipe: Recipe): void {
  const [rows, columns] = weight.shape as [number, number];
  const normal = columns - recipe.outliers.channels;
  const { format, groupSize, channelGroup, clip } = recipe.weight;
  if (typeof clip !== 'number')
    throw new AtomError('bad-option', 'round to nearest takes a fixed clip ratio');
  const values = weight.f32();
  const part = new Float32Array(rows * normal);
  for (let row = 0; row < rows; row++)
    part.set(values.subarray(row * columns, row * columns + normal), row * normal);
  let rounded: Float32Array;
  if (format === 'int2' || format === 'int3' || format === 'int4' || format === 'int8') {
    const bits = bitsOf(format) as 2 | 3 | 4 | 8;
    rounded = dequantizeWeight(
      quantizeWeight(part, rows, { bits, groupSize, clip, channelGroup, outlierChannels: 0 }),
    );
  } else {
    rounded = new Float32Array(part.length);
    const options = {
      format,
      groupSize,
      symmetric: true,
      clip,
      outlierChannels: 0,
      outlierFormat: 'none',
      outlierClip: 1,
    } as const;
    for (let row = 0; row < rows; row++) {
      rounded.set(fakeQuantize(part.subarray(row * normal, (row + 1) * normal), options), row * normal);
    }
  }
  for (let row = 0; row < rows; row++)
    values.set(rounded.subarray(row * normal, (row + 1) * normal), row * columns);
}

/** The last columns, each row of them one group. */
function quantizeOutliers(weight: Tensor, { outliers }: Recipe): void {
  if (outliers.channels === 0) return;
  const [rows, columns] = weight.shape as [number, number];
  const values = weight.f32();
  const options = {
    format: outliers.format,
    groupSize: outliers.channels,
    symmetric: true,
    clip: 1,
    outlierChannels: 0,
    outlierFormat: 'none',
    outlierClip: 1,
  } as const;
  for (let row = 0; row < rows; row++) {
    const at = values.subarray((row + 1) * columns - outliers.channels, (row + 1) * columns);
    at.set(fakeQuantize(at.slice(), options));
  }
}

function quantizeByGptq(
  weight: Tensor,
  { backend, recipe, hessian }: { backend: Backend; recipe: Recipe; hessian: Tensor },
): void {
  const [rows, columns] = weight.shape as [number, number];
  const { format, groupSize, channelGroup, clip, publishedRange } = recipe.weight;
  const { damping, blockSize, staleScales } = recipe.gptq;
  const normal = columns - recipe.outliers.channels;
  const size = groupSize || normal;

  using spread = backend.allocate('f32', [columns, columns]);
  spread.f32().set(upperCholeskyOfInverse(damped(hessian, weight, damping), columns));
  using quantized = backend.allocate('f32', [rows, columns]);
  using scales = backend.allocate('f32', [rows / channelGroup, normal / size]);
  const rule = {
    format,
    publishedRange,
    stale: staleScales,
    roundToFp16: false,
    clip: clip === 'search' ? { steps: 20, low: 0.6 } : clip,
  };
  for (let start = 0; start < normal; start += blockSize) {
    const end = Math.min(start + blockSize, normal);
    backend.gptqColumns({
      weight,
      quantized,
      spread,
      scales,
      start,
      end,
      groupSize: size,
      channelGroup,
      rule,
    });
  }
  const values = weight.f32();
  const codes = quantized.f32();
  for (let row = 0; row < rows; row++) {
    values.set(codes.subarray(row * columns, row * columns + normal), row * columns);
  }
}

/** H + damping mean(diag H) I in f64. Channels never seen get 1 on the diagonal and lose their weights. */
function damped(hessian: Tensor, weight: Tensor, damping: number): Float64Array {
  const [rows, columns] = weight.shape as [number, number];
  const result = Float64Array.from(hessian.f32());
  let trace = 0;
  for (let c = 0; c < columns; c++) {
    if (result[c * columns + c] === 0) {
      result[c * columns + c] = 1;
      for (let row = 0; row < rows; row++) weight.f32()[row * columns + c] = 0;
    }
    trace += result[c * columns + c]!;
  }
  for (let c = 0; c < columns; c++) result[c * columns + c]! += (damping * trace) / columns;
  return result;
}
