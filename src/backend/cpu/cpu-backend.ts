// The CPU backend: native kernels of one instruction set behind the contract.
// Each operator's checks live in a file beside this one; here they are only gathered.
import type { Activation, Backend, KvCache, LinearWeight, MappedFile, SampleArgs } from '../backend.ts';
import type { DType, Tensor } from '../tensor.ts';
import { activationBytes, CpuActivation } from './activation.ts';
import { AttentionState, attention, ropeAppendKv } from './attention.ts';
import { CommandList } from './command-list.ts';
import { fakeQuant } from './fake-quant.ts';
import { gptqColumns } from './gptq.ts';
import { inverseCholesky } from './inverse-cholesky.ts';
import { CpuKvCache, cpuKvCache } from './kv-cache.ts';
import { linear, linearSiluMul, loadLinear } from './linear.ts';
import { logProb, logTotal } from './log-prob.ts';
import { allocateTensor, mapFile } from './memory.ts';
import { chooseIsa, type NativeOperators, nativeAddon } from './native.ts';
import { embed, rmsNorm, siluMul } from './rows.ts';
import { sample } from './sample.ts';
import { columnStatistics, syrk } from './statistics.ts';

/** The arguments of an operator of the contract. */
type Args<Name extends keyof Backend> = Backend[Name] extends (args: infer A) => unknown ? A : never;

export class CpuBackend implements Backend {
  readonly name: string;
  readonly isa: string;
  /** The native operators themselves, for benchmarks. */
  readonly operators: NativeOperators;
  readonly #commands: CommandList;
  readonly #attention: AttentionState;

  constructor({ isa }: { isa?: string } = {}) {
    this.isa = chooseIsa(isa);
    this.name = `cpu (${this.isa})`;
    this.operators = nativeAddon().isas[this.isa]!;
    this.#commands = new CommandList(this.operators);
    this.#attention = new AttentionState(this.#commands);
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

  activationBytes(options: Args<'activationBytes'>): number {
    return activationBytes(this.operators, options);
  }

  activation(options: Args<'activation'>): Activation {
    return new CpuActivation(this.operators, options);
  }

  loadLinear(...args: Parameters<Backend['loadLinear']>): LinearWeight {
    return loadLinear(this.operators, ...args);
  }

  createKvCache(options: Args<'createKvCache'>): KvCache {
    return new CpuKvCache(options);
  }

  copyBlock(cache: KvCache, from: number, to: number): void {
    cpuKvCache('copyBlock', cache).copyBlock(from, to);
  }

  together(body: () => void): void {
    this.#commands.together(body);
  }

  embed(args: Args<'embed'>): void {
    embed(this.#commands.operators, args);
  }

  rmsNorm(args: Args<'rmsNorm'>): void {
    rmsNorm(this.#commands.operators, args);
  }

  linear(args: Args<'linear'>): void {
    linear(this.#commands.operators, args);
  }

  ropeAppendKv(args: Args<'ropeAppendKv'>): void {
    ropeAppendKv(this.#commands.operators, this.#attention, args);
  }

  attention(args: Args<'attention'>): void {
    attention(this.#commands.operators, this.#attention, args);
  }

  siluMul(args: Args<'siluMul'>): void {
    siluMul(this.#commands.operators, args);
  }

  linearSiluMul(args: Args<'linearSiluMul'>): void {
    linearSiluMul(this.#commands.operators, args);
  }

  logProb(args: Args<'logProb'>): void {
    logProb(this.#now(), args);
  }

  logTotal(args: Args<'logTotal'>): number {
    return logTotal(this.#now(), args);
  }

  sample(args: SampleArgs): number {
    return sample(this.#now(), args);
  }

  fakeQuant(args: Args<'fakeQuant'>): void {
    fakeQuant(this.#now(), args);
  }

  columnStatistics(args: Args<'columnStatistics'>): void {
    columnStatistics(this.#now(), args);
  }

  syrk(args: Args<'syrk'>): void {
    syrk(this.#now(), args);
  }

  inverseCholesky(args: Args<'inverseCholesky'>): void {
    inverseCholesky(this.#now(), args);
  }

  gptqColumns(args: Args<'gptqColumns'>): void {
    gptqColumns(this.#now(), args);
  }

  /** For operators that are none of a step's: they have memory of their own for a moment, and are not noted down. */
  #now(): NativeOperators {
    this.#commands.run();
    return this.operators;
  }

  [Symbol.dispose](): void {
    this.#attention[Symbol.dispose]();
    this.#commands[Symbol.dispose]();
  }
}
