// The tensors of an Atom checkpoint (DESIGN section 5): what stands in the place of a linear's `weight`, in which dtype
// and shape. Readable by any safetensors reader, the same on every machine. It must not compute with them.
//
//   <linear>.weight_packed        (out, normal / 2) U8      four-bit codes, low nibble first; int2 and int3 likewise
//                                 (out, normal)             I8, F8_E4M3 or F8_E5M2 for the eight-bit formats
//   <linear>.weight_scale         (out / channelGroup, groups)  F32 or F16; U8 (E8M0) for mxfp4; F8_E4M3 for nvfp4
//   <linear>.weight_global_scale  (1) F32                   nvfp4 only
//   <linear>.outlier_weight       (out, outliers)           I8, F16, F8_E4M3 or F8_E5M2
//   <linear>.outlier_scale        (out) F32 or F16          unless outliers are F16
//   <input>.reorder_index         (in) I32                  column c of the stored weights is channel reorder_index[c]
//
// normal = in - outliers. The columns of every linear of a reordered input, plain ones too, are in the stored order.
import { AtomError } from '../errors.ts';
import { type LinearSpec, linearsOf } from './expected-tensors.ts';
import { quoted } from './json-file.ts';
import type { ModelConfig } from './model-config.ts';
import { isQuantized, type LinearScheme, type Quantization } from './quantization.ts';
import type { OutlierFormat, QuantizedFormat } from './quantization-config.ts';
import type { SafetensorsDtype } from './safetensors-header.ts';
import type { TensorStore } from './tensor-store.ts';

/** A tensor that must be there, in one of some dtypes. */
export interface TensorDemand {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtypes: readonly SafetensorsDtype[];
}

export const plainDtypes = ['F32', 'F16', 'BF16'] as const satisfies SafetensorsDtype[];
const scaleDtypes = ['F32', 'F16'] as const satisfies SafetensorsDtype[];

/** How the codes of a format are stored: dtype, codes to a byte, dtypes of the scales. */
const storage = {
  int2: { dtype: 'U8', perByte: 2, scales: scaleDtypes },
  int3: { dtype: 'U8', perByte: 2, scales: scaleDtypes },
  int4: { dtype: 'U8', perByte: 2, scales: scaleDtypes },
  fp4: { dtype: 'U8', perByte: 2, scales: scaleDtypes },
  mxfp4: { dtype: 'U8', perByte: 2, scales: ['U8'] },
  nvfp4: { dtype: 'U8', perByte: 2, scales: ['F8_E4M3'] },
  int8: { dtype: 'I8', perByte: 1, scales: scaleDtypes },
  e4m3: { dtype: 'F8_E4M3', perByte: 1, scales: scaleDtypes },
  e5m2: { dtype: 'F8_E5M2', perByte: 1, scales: scaleDtypes },
} as const satisfies Record<
  Exclude<QuantizedFormat, 'none'>,
  { dtype: SafetensorsDtype; perByte: number; scales: readonly SafetensorsDtype[] }
>;

const outlierDtypes = {
  fp16: 'F16',
  int8: 'I8',
  e4m3: 'F8_E4M3',
  e5m2: 'F8_E5M2',
} as const satisfies Record<OutlierFormat, SafetensorsDtype>;

/** The tensors that hold a linear's weight; just `<linear>.weight` when the scheme leaves it in 16 bits. */
export function* weightTensors(
  { name, outFeatures, inFeatures }: LinearSpec,
  { weight, outlier }: LinearScheme,
): Generator<TensorDemand> {
  const { format, channelGroup } = weight;
  if (format === 'none') {
    yield { name: `${name}.weight`, shape: [outFeatures, inFeatures], dtypes: plainDtypes };
    return;
  }
  const { dtype, perByte, scales } = storage[format];
  const normal = inFeatures - outlier.channels;
  const groups = normal / (weight.groupSize || normal);
  yield { name: `${name}.weight_packed`, shape: [outFeatures, normal / perByte], dtypes: [dtype] };
  yield { name: `${name}.weight_scale`, shape: [outFeatures / channelGroup, groups], dtypes: scales };
  if (format === 'nvfp4') yield { name: `${name}.weight_global_scale`, shape: [1], dtypes: ['F32'] };
  if (outlier.channels === 0) return;
  const outliers = [outFeatures, outlier.channels];
  yield { name: `${name}.outlier_weight`, shape: outliers, dtypes: [outlierDtypes[outlier.format]] };
  if (outlier.format !== 'fp16') {
    yield { name: `${name}.outlier_scale`, shape: [outFeatures], dtypes: scaleDtypes };
  }
}

/** `<input>.reorder_index` of an input that is quantized and whose order is stored. */
export function reorderTensor(linear: LinearSpec, quantization: Quantization): TensorDemand | undefined {
  if (quantization.orderOf(linear) !== 'stored' || !isQuantized(quantization.schemeOf(linear)))
    return undefined;
  return { name: `${linear.input}.reorder_index`, shape: [linear.inFeatures], dtypes: ['I32'] };
}

/** Weights and orders of all linears, in the order of the decoder. A tied lm_head has tensors only if it is quantized. */
export function* quantizedTensors(config: ModelConfig, quantization: Quantization): Generator<TensorDemand> {
  const ordered = new Set<string>();
  for (const linear of linearsOf(config)) {
    const scheme = quantization.schemeOf(linear);
    const tied = linear.layer === undefined && config.tiedEmbeddings;
    if (!tied || scheme.weight.format !== 'none') yield* weightTensors(linear, scheme);
    const order = reorderTensor(linear, quantization);
    if (order === undefined || ordered.has(order.name)) continue;
    ordered.add(order.name);
    yield order;
  }
}

/**
 * The channel order `name`, checked: every channel once. Throws `bad-quantization-config` for one that is none.
 */
export function readReorderIndex(store: TensorStore, name: string): Int32Array {
  const index = new Int32Array(store.read(name).buffer);
  const seen = new Uint8Array(index.length);
  for (const [column, channel] of index.entries()) {
    if (seen[channel] === 0) seen[channel] = 1;
    else {
      const problem = seen[channel] === 1 ? 'twice' : `although there are ${index.length} channels`;
      throw new AtomError(
        'bad-quantization-config',
        `${store.get(name).file}: tensor ${quoted(name)} is no permutation: entry ${column} names channel ${channel} ${problem}`,
      );
    }
  }
  return index;
}
