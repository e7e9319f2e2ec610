// A quantized linear as an Atom checkpoint stores it (checkpoint/quantized-tensors.ts), and the values it stands for.
import type { LinearSpec } from '../checkpoint/expected-tensors.ts';
import type { LinearScheme } from '../checkpoint/quantization.ts';
import type { TensorStore } from '../checkpoint/tensor-store.ts';
import { AtomError } from '../errors.ts';
import { decodeFp16 } from '../numerics/half-floats.ts';
import {
  type CodeFormat,
  decodeE4m3Scales,
  decodePowerScales,
  decodeWeight,
} from '../numerics/weight-codes.ts';

/** Fills out (outFeatures, inFeatures) with the values of a linear's codes, outliers in the last columns. */
export function dequantizeStored(
  store: TensorStore,
  { name, outFeatures, inFeatures }: LinearSpec,
  scheme: LinearScheme,
  out: Float32Array,
): void {
  const { weight, outlier } = scheme;
  if (weight.format === 'none') throw new AtomError('internal', `${name} is not quantized`);
  const normal = inFeatures - outlier.channels;
  const rows = { rows: outFeatures, pitch: inFeatures };
  decodeWeight(store.read(`${name}.weight_packed`), out, {
    ...rows,
    format: weight.format,
    columns: normal,
    groupSize: weight.groupSize || normal,
    channelGroup: weight.channelGroup,
    scales: storedScales(store, name, weight.format),
  });
  if (outlier.channels === 0) return;
  const bytes = store.read(`${name}.outlier_weight`);
  if (outlier.format === 'fp16') {
    const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
    for (let i = 0; i < halves.length; i++) {
      const row = Math.floor(i / outlier.channels);
      out[row * inFeatures + normal + (i % outlier.channels)] = decodeFp16(halves[i]!);
    }
    return;
  }
  decodeWeight(bytes, out, {
    ...rows,
    format: outlier.format,
    first: normal,
    columns: outlier.channels,
    groupSize: outlier.channels,
    channelGroup: 1,
    scales: floatsIn(store, `${name}.outlier_scale`),
  });
}

/** (out / channelGroup, groups): what the codes of each group are multiplied by. */
export function storedScales(store: TensorStore, name: string, format: CodeFormat): Float32Array {
  const stored = `${name}.weight_scale`;
  if (format === 'mxfp4') return decodePowerScales(store.read(stored));
  if (format !== 'nvfp4') return floatsIn(store, stored);
  return decodeE4m3Scales(store.read(stored), floatsIn(store, `${name}.weight_global_scale`)[0]!);
}

/** The values of a tensor of F32 or F16. */
function floatsIn(store: TensorStore, name: string): Float32Array {
  const { dtype } = store.get(name);
  const bytes = store.read(name);
  return dtype === 'F32'
    ? new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)
    : Float32Array.from(new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2), decodeFp16);
}
