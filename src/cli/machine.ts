// The machine that measures, as every result names it.
import { readFileSync } from 'node:fs';
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

/** Some hosts hide which of its generations a processor is, in "AMD EPYC" alone: family and model tell. */
function generationOf(cpuinfo: string): string {
  const [family, model] = ['cpu family', 'model'].map(
    (key) => new RegExp(`^${key}\\s*: (\\d+)$`, 'm').exec(cpuinfo)?.[1],
  );
  return family && model ? ` (family ${family}, model ${model})` : '';
}

function processorName(): string {
  const name = cpus()[0]?.model.trim() ?? process.arch;
  if (/\d/.test(name)) return name;
  try {
    return name + generationOf(readFileSync('/proc/cpuinfo', 'latin1'));
  } catch {
    return name;
  }
}

export function thisMachine(): Machine {
  return {
    processor: processorName(),
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
