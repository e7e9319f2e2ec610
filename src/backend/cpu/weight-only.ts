// Weights in integer codes for inputs in bf16: brought from a checkpoint's layout into panels, once, at load, and opened
// inside the kernel (native/cpu/linear_weight_only.h).
import type { LinearWeight } from '../backend.ts';
import { expectShape, expectTensor } from '../check.ts';
import type { LinearSource, WeightFormat } from '../formats.ts';
import type { Tensor } from '../tensor.ts';
import { allocateTensor } from './memory.ts';
import type { NativeOperators } from './native.ts';
import { NativeStruct } from './native-struct.ts';

type WeightOnlySource = Extract<LinearSource, { kind: 'weightOnly' }>;

/** kOutputs and kGroupUnit of native/cpu/linear_weight_only.h. */
const outputsPerPanel = 64;
const groupUnit = 8;

export class WeightOnly implements LinearWeight {
  readonly format: Extract<WeightFormat, { kind: 'weightOnly' }>;
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly byteLength: number;
  readonly #data: Tensor;
  readonly #bias: Tensor | undefined;
  readonly #spec: NativeStruct;

  /** Packs all sources, fused along the output; takes over `bias`. Throws `bad-shape`, `out-of-memory`. */
  constructor(operators: NativeOperators, sources: readonly WeightOnlySource[], bias: Tensor | undefined) {
    for (const source of sources) expectSource(source, sources[0]!);
    const { bits, groupSize, scale } = sources[0]!;
    const groups = scale.shape[1]!;
    this.format = { kind: 'weightOnly', bits, groupSize };
    this.inFeatures = groups * groupSize;
    this.outFeatures = sources.reduce((sum, { weight }) => sum + weight.shape[0]!, 0);

    const wide = sources.some((source) => source.scale.dtype === 'f32');
    const rowBytes = groups * ((groupSize * bits) / 8 + (wide ? 4 : 2));
    this.byteLength = Math.ceil(this.outFeatures / outputsPerPanel) * outputsPerPanel * rowBytes;
    this.#data = allocateTensor('u8', [this.byteLength]);
    this.#bias = bias;
    this.#spec = new NativeStruct([
      { address: this.#data.address },
      { integer: this.outFeatures },
      { integer: groups },
      { integer: groupSize },
      { integer: bits },
      { integer: Number(wide) },
      { address: bias?.address ?? 0 },
    ]);
    let first = 0;
    for (const { weight, scale, channelGroup } of sources) {
      const rows = weight.shape[0]!;
      const isWide = Number(scale.dtype === 'f32');
      operators.pack_weight_only!(
        this.address,
        first,
        rows,
        weight.address,
        scale.address,
        isWide,
        channelGroup,
      );
      first += rows;
    }
  }

  /** Address of the WeightOnly of native/cpu/linear_weight_only.h. */
  get address(): number {
    return this.#spec.address;
  }

  [Symbol.dispose](): void {
    this.#data[Symbol.dispose]();
    this.#bias?.[Symbol.dispose]();
  }
}

/** Throws `bad-shape` unless a source holds what it says, in the layout of the first it is fused with. */
function expectSource(
  { bits, groupSize, weight, scale, channelGroup }: WeightOnlySource,
  like: WeightOnlySource,
): void {
  const rows = weight.shape[0]!;
  const groups = scale.shape[1]!;
  const fits = bits === like.bits && groupSize === like.groupSize && groups === like.scale.shape[1]!;
  expectShape('loadLinear', fits, () => {
    return `weights that are fused must have the same bits and groups: expected ${like.bits} bits, ${like.scale.shape[1]} groups of ${like.groupSize}`;
  });
  expectShape('loadLinear', groupSize > 0 && groupSize % groupUnit === 0, () => {
    return `groups of ${groupSize} channels are no multiple of ${groupUnit}`;
  });
  expectShape('loadLinear', rows % channelGroup === 0, () => {
    return `${rows} outputs do not divide into groups of ${channelGroup}`;
  });
  const dtypes = bits === 8 ? (['i8'] as const) : (['u8'] as const);
  const atLeast = (rows * groups * groupSize * bits) / 8;
  expectTensor('loadLinear', 'weight', weight, { dtypes, atLeast });
  const scales = (rows / channelGroup) * groups;
  expectTensor('loadLinear', 'scale', scale, { dtypes: ['f32', 'f16'], atLeast: scales });
}
