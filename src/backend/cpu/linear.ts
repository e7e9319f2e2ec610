// Linears on the CPU: dense weights in memory are used where they lie, row by row; those of mapped files are brought into
// memory once, and integer codes into panels (integer-weight.ts, weight-only.ts).
import { AtomError } from '../../errors.ts';
import type { Backend, LinearWeight } from '../backend.ts';
import { expectShape, expectTensor } from '../check.ts';
import type { LinearSource, WeightFormat } from '../formats.ts';
import type { Tensor } from '../tensor.ts';
import { type CpuActivation, cpuActivation } from './activation.ts';
import { IntegerWeight, outputsPerPanel } from './integer-weight.ts';
import { allocateTensor } from './memory.ts';
import { type NativeOperators, nativeAddon } from './native.ts';
import { siluMul } from './rows.ts';
import { WeightOnly } from './weight-only.ts';

type DenseSource = Extract<LinearSource, { kind: 'dense' }>;

/** Weights of one or several linears that share an input; each piece keeps its own memory. */
class DenseWeight implements LinearWeight {
  readonly format: WeightFormat;
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly byteLength: number;
  readonly pieces: readonly Tensor[]; // (out, in) each
  readonly bias: Tensor | undefined;
  readonly #owned: readonly Tensor[];

  constructor(options: {
    compute: 'f32' | 'bf16';
    pieces: readonly Tensor[];
    owned: readonly Tensor[];
    bias: Tensor | undefined;
  }) {
    this.format = { kind: options.compute };
    this.pieces = options.pieces;
    this.inFeatures = options.pieces[0]!.shape[1]!;
    this.outFeatures = options.pieces.reduce((sum, piece) => sum + piece.shape[0]!, 0);
    this.byteLength = options.pieces.reduce((sum, piece) => sum + piece.byteLength, 0);
    this.bias = options.bias;
    this.#owned = options.bias ? [...options.owned, options.bias] : options.owned;
  }

  [Symbol.dispose](): void {
    for (const tensor of this.#owned) tensor[Symbol.dispose]();
  }
}

export function loadLinear(
  operators: NativeOperators,
  sources: readonly LinearSource[],
  { bias }: { bias?: Tensor } = {},
): LinearWeight {
  const dense = sources.filter((source) => source.kind === 'dense');
  const weightOnly = sources.filter((source) => source.kind === 'weightOnly');
  const integers = sources.filter((source) => source.kind === 'int' || source.kind === 'rounded');
  const fits =
    sources.length > 0 && [dense, weightOnly, integers].some(({ length }) => length === sources.length);
  expectShape('loadLinear', fits, () => 'expected weights of one kind');
  const outFeatures = sources.reduce((sum, { weight }) => sum + weight.shape[0]!, 0);
  if (bias) expectTensor('loadLinear', 'bias', bias, { dtypes: ['f32'], atLeast: outFeatures });
  const copied = bias && copyOf(bias);
  if (integers.length > 0) return new IntegerWeight(operators, integers, copied);
  if (weightOnly.length > 0) return new WeightOnly(operators, weightOnly, copied);
  return loadDense(operators, dense, copied);
}

function loadDense(
  operators: NativeOperators,
  sources: readonly DenseSource[],
  bias: Tensor | undefined,
): DenseWeight {
  const { compute } = sources[0]!;
  const inFeatures = sources[0]!.weight.shape[1]!;
  const owned: Tensor[] = [];
  const own = (tensor: Tensor) => {
    owned.push(tensor);
    return tensor;
  };
  try {
    const pieces = sources.map(({ weight, compute: other }) => {
      expectShape(
        'loadLinear',
        weight.shape.length === 2 && weight.shape[1] === inFeatures && other === compute,
        () => {
          return `a weight of shape [${weight.shape.join(', ')}] for ${other} cannot be fused with one of ${inFeatures} inputs for ${compute}`;
        },
      );
      if (weight.dtype !== compute) return own(convert(operators, weight, compute));
      return weight.mapped ? own(fromFile(weight)) : weight;
    });
    return new DenseWeight({ compute, pieces, owned, bias });
  } catch (error) {
    for (const tensor of bias ? [...owned, bias] : owned) tensor[Symbol.dispose]();
    throw error;
  }
}

/**
 * A copy in memory of its own, which has large pages. Those of a file are of 4 KiB, wherever the kernel found room for them:
 * read from there, 8 layers of 7B in 16 bits were three times slower (EPYC of 2024, a virtual machine).
 */
function fromFile(weight: Tensor): Tensor {
  const copy = copyOf(weight);
  nativeAddon().dropPages(weight.address, weight.byteLength);
  return copy;
}

const conversions: Readonly<Record<string, number>> = {
  'bf16 f32': 0,
  'f16 f32': 1,
  'f32 bf16': 2,
  'f16 bf16': 3,
};

function convert(operators: NativeOperators, weight: Tensor, compute: 'f32' | 'bf16'): Tensor {
  const kind = conversions[`${weight.dtype} ${compute}`];
  if (kind === undefined)
    throw new AtomError(
      'bad-shape',
      `loadLinear: a ${weight.dtype} weight cannot be computed with in ${compute}`,
    );
  const converted = allocateTensor(compute, weight.shape);
  operators.convert!(weight.address, converted.address, weight.size, kind);
  return converted;
}

function copyOf(tensor: Tensor): Tensor {
  const copy = allocateTensor(tensor.dtype, tensor.shape);
  copy.bytes().set(tensor.bytes());
  return copy;
}

export function linear(operators: NativeOperators, args: Parameters<Backend['linear']>[0]): void {
  const { input, weight, out, tokens, accumulate = false } = args;
  const activation = cpuActivation('linear', input, { channels: weight.inFeatures, tokens });
  expectTensor('linear', 'out', out, { dtypes: ['f32'], atLeast: tokens * weight.outFeatures });
  if (weight instanceof IntegerWeight) {
    weight.expectInput(activation.format);
    operators.linear_int!(
      activation.spec,
      weight.address,
      out.address,
      tokens,
      weight.outFeatures,
      Number(accumulate),
    );
    return;
  }
  const { kind } = activation.format;
  const stored = kind === 'simulated' ? 'f32' : kind;
  if (weight instanceof WeightOnly) {
    expectShape(
      'linear',
      stored === 'bf16',
      () => `weights in codes alone want an input in bf16, not in ${stored}`,
    );
    operators.linear_weight_only!(
      activation.storage.address,
      weight.address,
      out.address,
      tokens,
      weight.outFeatures,
      Number(accumulate),
    );
    return;
  }
  if (!(weight instanceof DenseWeight))
    throw new AtomError('bad-shape', 'linear: the weight belongs to another backend');
  expectShape(
    'linear',
    stored === weight.format.kind,
    () => `a ${stored} input does not fit a ${weight.format.kind} weight`,
  );
  let column = 0;
  for (const piece of weight.pieces) {
    operators.linear_dense!(
      activation.storage.address,
      weight.inFeatures,
      piece.address,
      weight.inFeatures,
      weight.bias ? weight.bias.address + 4 * column : 0,
      out.address,
      tokens,
      weight.inFeatures,
      piece.shape[0]!,
      weight.outFeatures,
      column,
      Number(stored === 'bf16'),
      Number(accumulate),
    );
    column += piece.shape[0]!;
  }
}

export function linearSiluMul(
  operators: NativeOperators,
  args: Parameters<Backend['linearSiluMul']>[0],
): void {
  const { input, weight, gateUp, out, tokens } = args;
  const { channels } = out;
  expectShape('linearSiluMul', weight.outFeatures === 2 * channels, () => {
    return `${weight.outFeatures} outputs are no gate and up of ${channels} channels`;
  });
  expectTensor('linearSiluMul', 'gateUp', gateUp, { dtypes: ['f32'], atLeast: tokens * 2 * channels });
  const target = cpuActivation('linearSiluMul', out, { channels, tokens });
  if (!(weight instanceof IntegerWeight) || !finishesByPanels(target)) {
    linear(operators, { input, weight, out: gateUp, tokens });
    siluMul(operators, { gateUp, out, tokens });
    return;
  }
  const activation = cpuActivation('linearSiluMul', input, { channels: weight.inFeatures, tokens });
  weight.expectInput(activation.format);
  operators.linear_int_silu_mul!(activation.spec, weight.address, target.spec, tokens);
}

/** Whether panels of outputs, in their order, are whole groups of the integers they become. */
function finishesByPanels({ format, channels, reorder }: CpuActivation): boolean {
  if (format.kind !== 'int' || reorder || format.groupSize === 0) return false;
  return format.groupSize % outputsPerPanel === 0 && channels % outputsPerPanel === 0;
}
