// Quantize and dequantize row by row with the plain quantizers of numerics.
import { fakeQuantize } from '../../numerics/fake-quant.ts';
import type { Backend } from '../backend.ts';

export function fakeQuant({ x, out, rows, quantizer }: Parameters<Backend['fakeQuant']>[0]): void {
  const cols = x.shape.at(-1)!;
  for (let row = 0; row < rows; row++) {
    const values = x.f32().slice(row * cols, (row + 1) * cols);
    out.f32().set(fakeQuantize(values, quantizer), row * cols);
  }
}
