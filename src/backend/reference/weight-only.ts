// What a weight in integer codes stands for: a linear of it is `matrixProduct` of the input's and these values.
import { decodeWeight } from '../../numerics/weight-codes.ts';
import type { LinearSource } from '../formats.ts';
import { valuesOf } from './operators.ts';

/** (out, in) f32: each code times its group's scale. */
export function weightOnlyValues(source: Extract<LinearSource, { kind: 'weightOnly' }>): Float32Array {
  const { bits, groupSize, weight, scale, channelGroup } = source;
  const rows = weight.shape[0]!;
  const columns = scale.shape[1]! * groupSize;
  const values = new Float32Array(rows * columns);
  const format = bits === 8 ? 'int8' : 'int4';
  const scales = valuesOf(scale);
  decodeWeight(weight.bytes(), values, {
    format,
    rows,
    pitch: columns,
    columns,
    groupSize,
    channelGroup,
    scales,
  });
  return values;
}
