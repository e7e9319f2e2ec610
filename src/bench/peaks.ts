// The machine's ceilings as contenders of a benchmark: what they did is known, how long they took is measured beside
// the kernels.
import type { CpuBackend } from '../backend/cpu/cpu-backend.ts';
import { availableIsas } from '../backend/cpu/native.ts';
import type { Contender } from './timing.ts';

/** `int8Vector` is the integer peak without matrix tiles, where the set in use has them. */
export type Ceiling = 'f32' | 'bf16' | 'int8' | 'int8Vector' | 'read';

/** Sets whose peaks are those of matrix tiles; the sets below them have vectors alone. */
const hasTiles = (isa: string) => isa.includes('amx');

/** The best set without tiles, where the one in use has them: its integer peak is the older yardstick. */
export function vectorSet(isa: string): string | undefined {
  return hasTiles(isa)
    ? availableIsas()
        .filter((name) => !hasTiles(name))
        .at(-1)
    : undefined;
}

/** Far larger than any last-level cache of one socket that this runs on. */
const readBytes = 512 * 2 ** 20;

/** Read in turn: a sample about as long as a kernel's, so that both are as likely to be disturbed. */
const pieceBytes = 128 * 2 ** 20;

export interface CeilingContender extends Contender, Disposable {
  /** Operations (f32, bf16, int8) or bytes (read) of one run. */
  readonly amount: number;
}

export function ceilingContender(backend: CpuBackend, ceiling: Ceiling): CeilingContender {
  const name = `peak ${ceiling}`;
  if (ceiling === 'read') {
    const memory = backend.allocate('u8', [readBytes]);
    memory.bytes().fill(1);
    let offset = 0;
    return {
      name,
      amount: pieceBytes,
      run() {
        backend.operators.peak_read!(memory.address + offset, pieceBytes);
        offset = (offset + pieceBytes) % readBytes;
      },
      [Symbol.dispose]: () => memory[Symbol.dispose](),
    };
  }
  const operator = backend.operators[ceiling === 'int8Vector' ? 'peak_int8_vector' : `peak_${ceiling}`]!;
  const rounds = 50_000;
  return { name, amount: operator(1) * rounds, run: () => void operator(rounds), [Symbol.dispose]() {} };
}
