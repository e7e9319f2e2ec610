// Quantize and dequantize on the CPU: checks, then one native call.
import type { Backend } from '../backend.ts';
import { expectFakeQuant, expectTensor } from '../check.ts';
import { elementFormats, integerRanges } from '../formats.ts';
import type { NativeOperators } from './native.ts';

export function fakeQuant(
  operators: NativeOperators,
  { x, out, rows, quantizer }: Parameters<Backend['fakeQuant']>[0],
): void {
  const cols = x.shape.at(-1)!;
  expectTensor('fakeQuant', 'x', x, { dtypes: ['f32'], atLeast: rows * cols });
  expectTensor('fakeQuant', 'out', out, { dtypes: ['f32'], atLeast: rows * cols });
  expectFakeQuant(quantizer, cols);
  operators.fake_quant!(
    x.address,
    out.address,
    rows,
    cols,
    elementFormats.indexOf(quantizer.format),
    quantizer.groupSize,
    integerRanges.indexOf(quantizer.range),
    quantizer.clip,
    quantizer.outlierChannels,
    elementFormats.indexOf(quantizer.outlierFormat),
    quantizer.outlierClip,
    Number(quantizer.hadamard ?? false),
  );
}
