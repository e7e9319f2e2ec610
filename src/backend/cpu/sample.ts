// One token of a row of logits on the CPU: checks, then one native call.
import type { SampleArgs } from '../backend.ts';
import { expectTensor } from '../check.ts';
import type { NativeOperators } from './native.ts';

export function sample(operators: NativeOperators, args: SampleArgs): number {
  const { logits, row, temperature, topK, topP, minP, draw } = args;
  const vocab = logits.shape.at(-1)!;
  expectTensor('sample', 'logits', logits, { dtypes: ['f32'], atLeast: (row + 1) * vocab });
  return operators.sample!(logits.address + 4 * row * vocab, vocab, temperature, topK, topP, minP, draw);
}
