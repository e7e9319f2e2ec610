// A rounded weight as the tensors a checkpoint stores (checkpoint/quantized-tensors.ts).
import type { Tensor } from '../backend/tensor.ts';
import type { LinearSpec } from '../checkpoint/expected-tensors.ts';
import type { LinearScheme } from '../checkpoint/quantization.ts';
import { weightTensors } from '../checkpoint/quantized-tensors.ts';
import type { TensorSpec } from '../checkpoint/safetensors-writer.ts';
import { AtomError } from '../errors.ts';
import { encodeBf16All, encodeFp16 } from '../numerics/half-floats.ts';
import { encodeE4m3Scales, encodePowerScales, encodeWeight } from '../numerics/weight-codes.ts';
import type { RoundedWeight } from './quantize-matrix.ts';
import type { Recipe } from './recipe.ts';

/**
 * What a linear's tensors will be called and look like, before anything is rounded. Scales are kept as the recipe says,
 * weights that stay plain in BF16.
 */
export function packedSpecs(linear: LinearSpec, scheme: LinearScheme, recipe: Recipe): TensorSpec[] {
  const scaleDtype = recipe.weight.scale === 'f16' ? 'F16' : 'F32';
  return [...weightTensors(linear, scheme)].map(({ name, shape, dtypes }) => {
    const [only] = dtypes;
    const dtype = dtypes.length === 1 ? only! : name.endsWith('.weight') ? 'BF16' : scaleDtype;
    return { name, shape, dtype };
  });
}

/**
 * The bytes of each of `packedSpecs`. weight (out, in) holds values that are codes times scales.
 * Throws `numeric` for a weight that is not finite.
 */
export function packLinear(
  linear: LinearSpec,
  {
    weight,
    rounded,
    scheme,
    specs,
  }: {
    weight: Tensor;
    rounded: RoundedWeight;
    scheme: LinearScheme;
    specs: readonly TensorSpec[];
  },
): Map<string, ArrayBufferView> {
  const values = weight.f32();
  const { outFeatures, inFeatures, name } = linear;
  const { format, groupSize, channelGroup } = scheme.weight;
  const { scales, outlierScales, tensorScale } = rounded;
  const outliers = scheme.outlier.channels;
  const normal = inFeatures - outliers;
  if (![values, scales, outlierScales].every((all) => all.every(Number.isFinite))) {
    throw new AtomError('numeric', `${name} has weights that are not finite, and cannot be quantized`);
  }
  const halves = (dtype: string, numbers: Float32Array) =>
    dtype === 'F16' ? Uint16Array.from(numbers, encodeFp16) : numbers;
  const rows = { rows: outFeatures, pitch: inFeatures };
  const make = ({ name: tensor, dtype }: TensorSpec): ArrayBufferView => {
    switch (tensor.slice(name.length + 1)) {
      case 'weight':
        return encodeBf16All(values);
      case 'weight_packed':
        if (format === 'none') break;
        return encodeWeight(values, {
          ...rows,
          format,
          columns: normal,
          groupSize: groupSize || normal,
          channelGroup,
          scales,
        });
      case 'weight_scale':
        if (format === 'mxfp4') return encodePowerScales(scales);
        return format === 'nvfp4' ? encodeE4m3Scales(scales, tensorScale) : halves(dtype, scales);
      case 'weight_global_scale':
        return Float32Array.of(tensorScale);
      case 'outlier_weight':
        if (scheme.outlier.format === 'fp16')
          return Uint16Array.from(lastColumns(values, rows, outliers), encodeFp16);
        return encodeWeight(values, {
          ...rows,
          format: scheme.outlier.format,
          first: normal,
          columns: outliers,
          groupSize: outliers,
          channelGroup: 1,
          scales: outlierScales,
        });
      case 'outlier_scale':
        return halves(dtype, outlierScales);
    }
    throw new AtomError('internal', `nothing is known of tensor ${tensor}`);
  };
  return new Map(specs.map((spec) => [spec.name, make(spec)]));
}

function lastColumns(values: Float32Array, { rows, pitch }: { rows: number; pitch: number }, count: number) {
  const out = new Float32Array(rows * count);
  for (let row = 0; row < rows; row++) {
    out.set(values.subarray((row + 1) * pitch - count, (row + 1) * pitch), row * count);
  }
  return out;
}
