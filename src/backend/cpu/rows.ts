// The operators that work row by row on the CPU: embedding, normalisation, SwiGLU. Checks, then one native call each.
import type { Backend } from '../backend.ts';
import { expectShape, expectTensor } from '../check.ts';
import { cpuActivation } from './activation.ts';
import type { NativeOperators } from './native.ts';

// The order that native/cpu/embed.h gives its types.
const embeddingTypes = ['f32', 'bf16', 'f16'] as const;

export function embed(
  operators: NativeOperators,
  { table, tokenIds, out, tokens }: Parameters<Backend['embed']>[0],
): void {
  const [vocab, hidden] = table.shape as [number, number];
  expectTensor('embed', 'table', table, { dtypes: embeddingTypes, atLeast: vocab * hidden });
  expectTensor('embed', 'tokenIds', tokenIds, { dtypes: ['i32'], atLeast: tokens });
  expectTensor('embed', 'out', out, { dtypes: ['f32'], atLeast: tokens * hidden });
  const ids = tokenIds.i32();
  for (let token = 0; token < tokens; token++) {
    const id = ids[token]!;
    expectShape('embed', id >= 0 && id < vocab, () => `token id ${id} is outside the vocabulary of ${vocab}`);
  }
  const type = embeddingTypes.indexOf(table.dtype as (typeof embeddingTypes)[number]);
  operators.embed!(table.address, type, tokenIds.address, out.address, tokens, hidden);
}

export function rmsNorm(operators: NativeOperators, args: Parameters<Backend['rmsNorm']>[0]): void {
  const { x, weight, epsilon, out, tokens, rows } = args;
  const channels = weight.size;
  const activation = cpuActivation('rmsNorm', out, { channels, tokens });
  expectTensor('rmsNorm', 'weight', weight, { dtypes: ['f32'], atLeast: channels });
  expectTensor('rmsNorm', 'x', x, { dtypes: ['f32'], atLeast: rows ? channels : tokens * channels });
  if (rows) expectRows(rows.i32(), tokens, x.size / channels);
  operators.rms_norm!(x.address, weight.address, epsilon, activation.spec, tokens, rows?.address ?? 0);
}

function expectRows(rows: Int32Array, tokens: number, available: number): void {
  expectShape(
    'rmsNorm',
    rows.length >= tokens,
    () => `${rows.length} row numbers were given for ${tokens} rows`,
  );
  for (let i = 0; i < tokens; i++) {
    const row = rows[i]!;
    expectShape(
      'rmsNorm',
      row >= 0 && row < available,
      () => `row ${row} is not among the ${available} of x`,
    );
  }
}

export function siluMul(
  operators: NativeOperators,
  { gateUp, out, tokens }: Parameters<Backend['siluMul']>[0],
): void {
  const { channels } = out;
  const activation = cpuActivation('siluMul', out, { channels, tokens });
  expectTensor('siluMul', 'gateUp', gateUp, { dtypes: ['f32'], atLeast: tokens * 2 * channels });
  operators.silu_mul!(gateUp.address, activation.spec, tokens);
}
