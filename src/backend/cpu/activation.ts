// Activations on the CPU: rows of f32, bf16 or integers, and the description that native operators finish rows by.
import { AtomError } from '../../errors.ts';
import type { Activation, Backend } from '../backend.ts';
import { expectFakeQuant, expectShape, expectTensor } from '../check.ts';
import { type ActivationFormat, elementFormats, type FakeQuant, integerRanges } from '../formats.ts';
import type { Tensor } from '../tensor.ts';
import type { NativeOperators } from './native.ts';
import { NativeStruct } from './native-struct.ts';

// The order of ActivationKind in native/cpu/activation.h.
const kinds = ['f32', 'bf16', 'simulated', 'int'] as const;

/** An activation of this backend: what the contract names, and its description in native memory. */
export class CpuActivation implements Activation {
  readonly format: ActivationFormat;
  readonly channels: number;
  readonly maxTokens: number;
  readonly reorder?: Tensor;
  readonly storage: Tensor;
  readonly #spec: NativeStruct;

  constructor(operators: NativeOperators, options: Parameters<Backend['activation']>[0]) {
    const { format, channels, maxTokens, reorder, storage } = options;
    expectTensor('activation', 'storage', storage, {
      dtypes: ['u8'],
      atLeast: activationBytes(operators, options),
    });
    if (reorder) expectTensor('activation', 'reorder', reorder, { dtypes: ['i32'], atLeast: channels });
    const quantizer = quantizerOf(format);
    if (quantizer) expectFakeQuant(quantizer, channels);
    this.format = format;
    this.channels = channels;
    this.maxTokens = maxTokens;
    if (reorder) this.reorder = reorder;
    const rows = format.kind === 'int' ? integerRows(operators, options) : undefined;
    this.storage = rows
      ? storage.view([rows.bytes], { dtype: 'i8' })
      : storage.view([maxTokens, channels], { dtype: format.kind === 'bf16' ? 'bf16' : 'f32' });
    const { address } = this.storage;
    this.#spec = new NativeStruct([
      { address },
      { address: reorder?.address ?? 0 },
      { integer: channels },
      { integer: kinds.indexOf(format.kind) },
      { integer: quantizer ? elementFormats.indexOf(quantizer.format) : 0 },
      { integer: quantizer?.groupSize ?? 0 },
      { integer: quantizer ? integerRanges.indexOf(quantizer.range) : 0 },
      { integer: quantizer?.outlierChannels ?? 0 },
      { integer: quantizer ? elementFormats.indexOf(quantizer.outlierFormat) : 0 },
      { integer: Number(quantizer?.hadamard ?? false) },
      { double: quantizer?.clip ?? 1 },
      { double: quantizer?.outlierClip ?? 1 },
      { address: rows ? address + rows.factors : 0 },
      { integer: rows?.groups ?? 0 },
      { integer: rows?.tileBytes ?? 0 },
    ]);
  }

  /** Address of the ActivationSpec. */
  get spec(): number {
    return this.#spec.address;
  }
}

export function activationBytes(
  operators: NativeOperators,
  options: Parameters<Backend['activationBytes']>[0],
): number {
  const { format, channels, maxTokens } = options;
  if (format.kind === 'int') return integerRows(operators, options).bytes;
  return maxTokens * channels * (format.kind === 'bf16' ? 2 : 4);
}

/** The quantizer that values go through, simulated or not. */
function quantizerOf(format: ActivationFormat): FakeQuant | undefined {
  if (format.kind === 'simulated') return format.quantizer;
  if (format.kind !== 'int') return undefined;
  const { bits, groupSize, range, clip, outlierChannels, hadamard = false } = format;
  const outliers = { outlierChannels, outlierFormat: 'int8', outlierClip: 1 } as const;
  return { format: `int${bits}`, groupSize, range, clip, hadamard, ...outliers };
}

/** Where codes and factors of integer rows lie in their storage: native/cpu/integer_row.h. Bytes. */
function integerRows(
  operators: NativeOperators,
  { format, channels, maxTokens }: Parameters<Backend['activationBytes']>[0],
) {
  if (format.kind !== 'int') throw new AtomError('internal', `${format.kind} has no integers`);
  const { outlierChannels } = format;
  const normal = channels - outlierChannels;
  const groupSize = format.groupSize || normal;
  const normalGroups = Math.floor(normal / groupSize);
  const groups = normalGroups + Number(outlierChannels > 0);
  const stored = normalGroups * padded(groupSize) + padded(outlierChannels);
  const tileBytes = operators.integer_code_bytes!(1, stored);
  const factors = Math.ceil(operators.integer_code_bytes!(maxTokens, stored) / 64) * 64;
  return { groups, tileBytes, factors, bytes: factors + operators.integer_factor_bytes!(maxTokens, groups) };
}

/** Channels of a group as the kernels store them. */
export const padded = (channels: number): number => Math.ceil(channels / 8) * 8;

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
