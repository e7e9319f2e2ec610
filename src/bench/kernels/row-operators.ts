// Norm and activation, with the reordering and quantization that is fused into them: f32 rows in, rows out as the next
// linear reads them; and rows of logits, of which each gives a token. Rows of a step lie in caches, so that shares of the
// memory's bandwidth may pass 1 here.
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

/** What requests ask of sampling: the best token, any, or one of the most probable. */
export const samplings = {
  greedy: { temperature: 0, topP: 1 },
  'of all': { temperature: 1, topP: 1 },
  'top-p 0.95': { temperature: 1, topP: 0.95 },
} as const;

export function sampleCases(
  backend: Backend,
  { name, shape, rows }: Pick<RowOptions, 'shape' | 'rows'> & { name: keyof typeof samplings },
): CaseGroup {
  const owner = new Owner();
  const vocab = shape.vocabSize;
  const logits = owner.own(noiseTensor(backend, 'f32', [Math.max(...rows), vocab]));
  const filters = { ...samplings[name], topK: 0, minP: 0 };
  const cases = rows.map((tokens): KernelCase => {
    const run = () => {
      for (let row = 0; row < tokens; row++)
        backend.sample({ logits, row, ...filters, draw: (row + 0.5) / tokens });
    };
    const bytes = 4 * tokens * vocab;
    return {
      operator: `sample ${name}`,
      shape: String(vocab),
      rows: tokens,
      operations: tokens * vocab,
      bytes,
      run,
    };
  });
  return { cases, [Symbol.dispose]: () => owner[Symbol.dispose]() };
}
