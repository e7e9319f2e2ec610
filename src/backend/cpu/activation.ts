// Activations on the CPU: rows of f32 or bf16, and the description that native operators finish rows by.
import { AtomError } from '../../errors.ts';
import type { Activation, Backend } from '../backend.ts';
import { expectFakeQuant, expectShape, expectTensor } from '../check.ts';
import { type ActivationFormat, elementFormats, integerRanges } from '../formats.ts';
import type { Tensor } from '../tensor.ts';
import { NativeStruct } from './native-struct.ts';

// The order of ActivationKind in native/cpu/activation.h.
const kinds = ['f32', 'bf16', 'simulated'] as const;

/** An activation of this backend: what the contract names, and its description in native memory. */
export class CpuActivation implements Activation {
  readonly format: ActivationFormat;
  readonly channels: number;
  readonly maxTokens: number;
  readonly reorder?: Tensor;
  readonly storage: Tensor;
  readonly #spec: NativeStruct;

  constructor(options: Parameters<Backend['activation']>[0]) {
    const { format, channels, maxTokens, reorder, storage } = options;
    const kind = kinds.indexOf(format.kind as (typeof kinds)[number]);
    expectShape('activation', kind >= 0, () => `format ${format.kind} is not offered here`);
    expectTensor('activation', 'storage', storage, { dtypes: ['u8'], atLeast: activationBytes(options) });
    if (reorder) expectTensor('activation', 'reorder', reorder, { dtypes: ['i32'], atLeast: channels });
    if (format.kind === 'simulated') expectFakeQuant(format.quantizer, channels);
    this.format = format;
    this.channels = channels;
    this.maxTokens = maxTokens;
    if (reorder) this.reorder = reorder;
    this.storage = storage.view([maxTokens, channels], { dtype: format.kind === 'bf16' ? 'bf16' : 'f32' });
    const q = format.kind === 'simulated' ? format.quantizer : undefined;
    this.#spec = new NativeStruct([
      { address: this.storage.address },
      { address: reorder?.address ?? 0 },
      { integer: channels },
      { integer: kind },
      { integer: q ? elementFormats.indexOf(q.format) : 0 },
      { integer: q?.groupSize ?? 0 },
      { integer: q ? integerRanges.indexOf(q.range) : 0 },
      { integer: q?.outlierChannels ?? 0 },
      { integer: q ? elementFormats.indexOf(q.outlierFormat) : 0 },
      { integer: Number(q?.hadamard ?? false) },
      { double: q?.clip ?? 1 },
      { double: q?.outlierClip ?? 1 },
    ]);
  }

  /** Address of the ActivationSpec. */
  get spec(): number {
    return this.#spec.address;
  }
}

export function activationBytes({
  format,
  channels,
  maxTokens,
}: Parameters<Backend['activationBytes']>[0]): number {
  return maxTokens * channels * (format.kind === 'bf16' ? 2 : 4);
}

/** Throws `bad-shape` for an activation of another backend or one with too little room. */
export function cpuActivation(
  operator: string,
  activation: Activation,
  { channels, tokens }: { channels: number; tokens: number },
): CpuActivation {
  if (!(activation instanceof CpuActivation)) {
    throw new AtomError('bad-shape', `${operator}: the activation belongs to another backend`);
  }
  expectShape(operator, activation.channels === channels && tokens <= activation.maxTokens, () => {
    return `${tokens} rows of ${channels} channels do not fit an activation of ${activation.maxTokens} rows of ${activation.channels}`;
  });
  return activation;
}
