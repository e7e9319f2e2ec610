// The machine that measures, as every result names it.
import { availableParallelism, cpus, totalmem, type } from 'node:os';
import { chooseIsa } from '../backend/cpu/native.ts';
import { bytesOf } from './sizes.ts';

export interface Machine {
  readonly processor: string;
  /** That this process may run on. */
  readonly cores: number;
  /** Of the kernels, such as 'avx512'. */
  readonly instructionSet: string;
  /** Bytes. */
  readonly memory: number;
  readonly node: string;
  readonly system: string;
}

export function thisMachine(): Machine {
  const [first] = cpus();
  return {
    processor: first?.model.trim() ?? process.arch,
    cores: availableParallelism(),
    instructionSet: chooseIsa(),
    memory: totalmem(),
    node: process.versions.node,
    system: `${type()} ${process.arch}`,
  };
}

/** In one line. */
export function machineLine({ processor, cores, instructionSet, memory, node }: Machine): string {
  return `${processor}, ${cores} cores (${instructionSet}), ${bytesOf(memory)}, Node ${node}`;
}
