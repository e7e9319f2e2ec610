// The CPU backend: native kernels of one instruction set behind the contract.
// Each operator's checks live in a file of its own beside this one; here they are only gathered.
import type { Backend, MappedFile } from '../backend.ts';
import type { DType, Tensor } from '../tensor.ts';
import { fakeQuant } from './fake-quant.ts';
import { logProb } from './log-prob.ts';
import { allocateTensor, mapFile } from './memory.ts';
import { chooseIsa, type NativeOperators, nativeAddon } from './native.ts';

export class CpuBackend {
  readonly name: string;
  readonly #operators: NativeOperators;

  constructor({ isa }: { isa?: string } = {}) {
    const chosen = chooseIsa(isa);
    this.name = `cpu (${chosen})`;
    this.#operators = nativeAddon().isas[chosen]!;
  }

  /** For operators gathered below and for benchmarks. */
  get operators(): NativeOperators {
    return this.#operators;
  }

  allocate(dtype: DType, shape: readonly number[]): Tensor {
    return allocateTensor(dtype, shape);
  }

  mapFile(path: string): MappedFile {
    return mapFile(path);
  }

  dropPages(tensor: Tensor): void {
    nativeAddon().dropPages(tensor.address, tensor.byteLength);
  }

  logProb(args: Parameters<Backend['logProb']>[0]): void {
    logProb(this.#operators, args);
  }

  fakeQuant(args: Parameters<Backend['fakeQuant']>[0]): void {
    fakeQuant(this.#operators, args);
  }

  [Symbol.dispose](): void {
    // Memory belongs to tensors, threads to the process: nothing of its own to free.
  }
}
