// The backends that contract suites run over: the CPU backend once per instruction set this machine has.
// The reference backend is the truth they are compared with.
import { CpuBackend } from '../../src/backend/cpu/cpu-backend.ts';
import { availableIsas, nativeAddon } from '../../src/backend/cpu/native.ts';
import type { DType, Tensor } from '../../src/backend/tensor.ts';

// What threads share between them is part of the contract.
nativeAddon().setThreadCount(2);

export const cpuBackends = availableIsas().map((isa) => ({ isa, backend: new CpuBackend({ isa }) }));

/** A tensor of the CPU backend with these values; the caller disposes it. */
export function tensorOf(dtype: DType, shape: readonly number[], values: ArrayLike<number>): Tensor {
  const tensor = cpuBackends[0]!.backend.allocate(dtype, shape);
  (dtype === 'f32' ? tensor.f32() : dtype === 'i32' ? tensor.i32() : tensor.bytes()).set(values);
  return tensor;
}

/** Deterministic normal deviates (Box and Muller, 1958) from a small generator, for inputs that must not change. */
export function gaussians(count: number, seed: number): Float32Array {
  let state = seed >>> 0 || 1;
  const uniform = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return ((state >>> 0) + 1) / 4294967297;
  };
  return Float32Array.from({ length: count }, () => {
    return Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  });
}

/** Rows that trip careless kernels: all zeros, denormals, one huge channel, NaN, infinities, tiny values. */
export function hostileRows(cols: number): Float32Array[] {
  const base = gaussians(cols, 7);
  const withOne = (value: number) => base.map((x, i) => (i === cols >> 1 ? value : x));
  return [
    new Float32Array(cols),
    base.map((x) => x * 1e-42),
    withOne(3e38),
    withOne(Number.NaN),
    withOne(Number.POSITIVE_INFINITY),
    withOne(Number.NEGATIVE_INFINITY),
    base.map((x) => x * 1e-20),
    base.map((x) => Math.abs(x)),
  ];
}
