// Log-probabilities of given tokens on the CPU, and what all of a row have in common: checks, then one native call.
import type { Backend } from '../backend.ts';
import { expectTensor } from '../check.ts';
import type { NativeOperators } from './native.ts';

export function logProb(
  operators: NativeOperators,
  { logits, tokenIds, out, rows }: Parameters<Backend['logProb']>[0],
): void {
  const vocab = logits.shape.at(-1)!;
  expectTensor('logProb', 'logits', logits, { dtypes: ['f32'], atLeast: rows * vocab });
  expectTensor('logProb', 'tokenIds', tokenIds, { dtypes: ['i32'], atLeast: rows });
  expectTensor('logProb', 'out', out, { dtypes: ['f32'], atLeast: rows });
  operators.log_prob!(logits.address, tokenIds.address, out.address, rows, vocab);
}

export function logTotal(
  operators: NativeOperators,
  { logits, row }: Parameters<Backend['logTotal']>[0],
): number {
  const vocab = logits.shape.at(-1)!;
  expectTensor('logTotal', 'logits', logits, { dtypes: ['f32'], atLeast: (row + 1) * vocab });
  return operators.log_total!(logits.address + 4 * row * vocab, vocab);
}
