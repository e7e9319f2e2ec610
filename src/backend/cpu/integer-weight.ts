// Integer weights on the CPU: brought from a checkpoint's layout into panels, once, at load (native/cpu/linear_int.h).
import type { LinearWeight } from '../backend.ts';
import { expectShape, expectTensor } from '../check.ts';
import type { ActivationFormat, LinearSource, WeightFormat } from '../formats.ts';
import type { Tensor } from '../tensor.ts';
import { padded } from './activation.ts';
import { allocateTensor } from './memory.ts';
import type { NativeOperators } from './native.ts';
import { NativeStruct } from './native-struct.ts';

type IntegerSource = Extract<LinearSource, { kind: 'int' }>;
type RoundedSource = Extract<LinearSource, { kind: 'rounded' }>;

/** Rows of a plain weight that are rounded and packed at a time: what bounds the memory beside the packed weight. */
const rowsAtOnce = 1024;

export const outputsPerPanel = 32;

export class IntegerWeight implements LinearWeight {
  readonly format: Extract<WeightFormat, { kind: 'int' }>;
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly byteLength: number;
  readonly #data: Tensor;
  readonly #bias: Tensor | undefined;
  readonly #spec: NativeStruct;

  /** Packs all sources, fused along the output; takes over `bias`. Throws `bad-shape`, `out-of-memory`. */
  constructor(
    operators: NativeOperators,
    sources: readonly (IntegerSource | RoundedSource)[],
    bias: Tensor | undefined,
  ) {
    const layout = layoutOf(sources[0]!);
    for (const source of sources) expectSource(source, layout);
    const { bits, groupSize, groups, outlierChannels } = layout;
    this.format = { kind: 'int', bits, groupSize, outlierChannels };
    this.inFeatures = groups * groupSize + outlierChannels;
    this.outFeatures = sources.reduce((sum, { weight }) => sum + weight.shape[0]!, 0);

    const wide = sources.some((source) => {
      return (
        source.kind === 'int' && [source.scale, source.outlierScale].some((scale) => scale?.dtype === 'f32')
      );
    });
    const scaleBytes = wide ? 4 : 2;
    const rowBytes =
      groups * ((padded(groupSize) * bits) / 8 + scaleBytes) +
      (outlierChannels > 0 ? padded(outlierChannels) + scaleBytes : 0);
    this.byteLength = Math.ceil(this.outFeatures / outputsPerPanel) * outputsPerPanel * rowBytes;
    this.#data = allocateTensor('u8', [this.byteLength]);
    this.#bias = bias;
    this.#spec = new NativeStruct([
      { address: this.#data.address },
      { integer: this.outFeatures },
      { integer: groups },
      { integer: groupSize },
      { integer: outlierChannels },
      { integer: bits },
      { integer: Number(wide) },
      { address: bias?.address ?? 0 },
    ]);
    let first = 0;
    for (const source of sources) {
      if (source.kind === 'int') this.#pack(operators, first, source);
      else this.#round(operators, first, source);
      first += source.weight.shape[0]!;
    }
  }

  /** Address of the IntegerWeight of native/cpu/linear_int.h. */
  get address(): number {
    return this.#spec.address;
  }

  /** Throws `bad-shape` unless an input in this format has the weight's groups and outliers. */
  expectInput(input: ActivationFormat): void {
    const { groupSize, outlierChannels } = this.format;
    const normal = this.inFeatures - outlierChannels;
    const fits =
      input.kind === 'int' &&
      (input.groupSize || normal) === groupSize &&
      input.outlierChannels === outlierChannels;
    expectShape('linear', fits, () => {
      return `the input (${JSON.stringify(input)}) has not the weight's groups of ${groupSize} and ${outlierChannels} outliers`;
    });
  }

  #pack(operators: NativeOperators, first: number, source: IntegerSource): void {
    const { weight, scale, channelGroup, outlierWeight, outlierScale } = source;
    operators.pack_integers!(
      this.address,
      first,
      weight.shape[0]!,
      weight.address,
      scale.address,
      Number(scale.dtype === 'f32'),
      channelGroup,
      outlierWeight?.address ?? 0,
      outlierScale?.address ?? 0,
      Number(outlierScale?.dtype === 'f32'),
    );
  }

  #round(operators: NativeOperators, first: number, { weight, groupSize }: RoundedSource): void {
    const [outputs, channels] = weight.shape as [number, number];
    const rows = Math.min(rowsAtOnce, outputs);
    using codes = allocateTensor('i8', [rows, channels]);
    using scale = allocateTensor('f16', [rows, channels / groupSize]);
    for (let done = 0; done < outputs; done += rows) {
      const part = weight.rows(done, Math.min(rows, outputs - done));
      const count = part.shape[0]!;
      const type = plainTypes.indexOf(weight.dtype as (typeof plainTypes)[number]);
      operators.quantize_rows!(part.address, type, codes.address, scale.address, count, channels, groupSize);
      const piece = { weight: codes.rows(0, count), scale: scale.rows(0, count) };
      this.#pack(operators, first + done, { kind: 'int', bits: 8, groupSize, channelGroup: 1, ...piece });
    }
  }

  [Symbol.dispose](): void {
    this.#data[Symbol.dispose]();
    this.#bias?.[Symbol.dispose]();
  }
}

// The order of PlainType in native/cpu/quantize_rows.h.
const plainTypes = ['f32', 'f16', 'bf16'] as const;

interface Layout {
  readonly bits: 4 | 8;
  readonly groupSize: number;
  readonly groups: number;
  readonly outlierChannels: number;
}

function layoutOf(source: IntegerSource | RoundedSource): Layout {
  const { groupSize } = source;
  if (source.kind === 'rounded') {
    return {
      bits: 8,
      groupSize,
      groups: Math.floor(source.weight.shape[1]! / groupSize),
      outlierChannels: 0,
    };
  }
  const outlierChannels = source.outlierWeight?.shape[1] ?? 0;
  return { bits: source.bits, groupSize, groups: source.scale.shape[1]!, outlierChannels };
}

function expectSource(source: IntegerSource | RoundedSource, layout: Layout): void {
  const { bits, groupSize, groups, outlierChannels } = layout;
  const own = layoutOf(source);
  const fits =
    own.bits === bits &&
    own.groupSize === groupSize &&
    own.groups === groups &&
    own.outlierChannels === outlierChannels;
  expectShape('loadLinear', fits, () => {
    return `integer weights that are fused must have the same bits, groups and outliers: expected ${bits} bits, ${groups} groups of ${groupSize}, ${outlierChannels} outliers`;
  });
  const { weight } = source;
  const [rows] = weight.shape as [number];
  const normal = groups * groupSize;
  if (source.kind === 'rounded') {
    expectTensor('loadLinear', 'weight', weight, { dtypes: plainTypes, atLeast: rows * normal });
    expectShape('loadLinear', weight.shape[1] === normal, () => {
      return `${weight.shape[1]} columns do not divide into groups of ${groupSize}`;
    });
    return;
  }
  const { scale, channelGroup, outlierWeight, outlierScale } = source;
  expectShape('loadLinear', rows % channelGroup === 0, () => {
    return `${rows} outputs do not divide into groups of ${channelGroup}`;
  });
  expectShape('loadLinear', bits === 8 || normal % 2 === 0, () => {
    return `${normal} columns of four bits fill no whole bytes`;
  });
  const dtypes = bits === 8 ? (['i8'] as const) : (['u8'] as const);
  expectTensor('loadLinear', 'weight', weight, { dtypes, atLeast: (rows * normal * bits) / 8 });
  const scales = ['f32', 'f16'] as const;
  expectTensor('loadLinear', 'scale', scale, { dtypes: scales, atLeast: (rows / channelGroup) * groups });
  if (!outlierWeight) return;
  expectShape('loadLinear', outlierScale !== undefined, () => 'outliers need their scales');
  expectTensor('loadLinear', 'outlierWeight', outlierWeight, {
    dtypes: ['i8'],
    atLeast: rows * outlierChannels,
  });
  expectTensor('loadLinear', 'outlierScale', outlierScale!, { dtypes: scales, atLeast: rows });
}
