// Norm and activation, with the reordering and quantization that is fused into them: f32 rows in, rows out as the next
// linear reads them. Rows of a step lie in caches, so that shares of the memory's bandwidth may pass 1 here.
import type { Backend } from '../../backend/backend.ts';
import type { CaseGroup, KernelCase } from './measure.ts';
import { Owner } from './owner.ts';
import { noiseGains, noiseTensor } from './random-weights.ts';
import { bytesPerValue, type RowOptions, storedRows } from './stored-rows.ts';

export function rmsNormCases(backend: Backend, { stored, shape, rows }: RowOptions): CaseGroup {
  const owner = new Owner();
  const channels = shape.hiddenSize;
  const most = Math.max(...rows);
  const x = owner.own(noiseTensor(backend, 'f32', [most, channels]));
  const weight = owner.own(noiseGains(backend, channels));
  const out = storedRows(owner, backend, { stored, channels, maxTokens: most, reordered: stored !== 'f32' });
  const cases = rows.map((tokens): KernelCase => {
    return {
      operator: `rmsNorm ${stored}`,
      shape: String(channels),
      rows: tokens,
      operations: 4 * tokens * channels,
      bytes: tokens * channels * (4 + bytesPerValue[stored]),
      run: () => backend.rmsNorm({ x, weight, epsilon: 1e-5, out, tokens }),
    };
  });
  return { cases, [Symbol.dispose]: () => owner[Symbol.dispose]() };
}

export function siluMulCases(backend: Backend, { stored, shape, rows }: RowOptions): CaseGroup {
  const owner = new Owner();
  const channels = shape.intermediateSize;
  const most = Math.max(...rows);
  const gateUp = owner.own(noiseTensor(backend, 'f32', [most, 2 * channels]));
  // The order of the down projection's input is that of the rows of gate and up: nothing to move.
  const out = storedRows(owner, backend, { stored, channels, maxTokens: most, reordered: false });
  const cases = rows.map((tokens): KernelCase => {
    return {
      operator: `siluMul ${stored}`,
      shape: String(channels),
      rows: tokens,
      operations: 4 * tokens * channels,
      bytes: tokens * channels * (8 + bytesPerValue[stored]),
      run: () => backend.siluMul({ gateUp, out, tokens }),
    };
  });
  return { cases, [Symbol.dispose]: () => owner[Symbol.dispose]() };
}
