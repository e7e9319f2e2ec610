import { describe, expect, test } from 'vitest';
import type { Activation } from '../../src/backend/backend.ts';
import type { ActivationFormat } from '../../src/backend/formats.ts';
import * as reference from '../../src/backend/reference/operators.ts';
import { cpuBackends, gaussians, hostileRows, tensorOf } from './backends.ts';

const quantizer = {
  format: 'int4',
  groupSize: 16,
  range: 'symmetric',
  clip: 0.9,
  outlierChannels: 8,
  outlierFormat: 'int8',
  outlierClip: 1,
} as const;
const formats: ActivationFormat[] = [{ kind: 'f32' }, { kind: 'bf16' }, { kind: 'simulated', quantizer }];

/** Values within `steps` of the other's: what one rounding more or less in f32 may become in a coarse format. */
function expectClose(actual: Float32Array, expected: Float32Array, tolerance: number): void {
  const scale = expected.reduce((peak, x) => (Number.isFinite(x) ? Math.max(peak, Math.abs(x)) : peak), 0);
  for (const [i, value] of expected.entries()) {
    if (
      Number.isNaN(value)
        ? !Number.isNaN(actual[i])
        : Math.abs(actual[i]! - value) > tolerance * Math.max(scale, 1e-30)
    ) {
      expect.fail(`element ${i}: expected ${value}, got ${actual[i]}`);
    }
  }
}

describe.each(cpuBackends)('row operators on $isa', ({ backend }) => {
  const channels = 72;
  const order = Int32Array.from({ length: channels }, (_, c) => (c * 29) % channels);
  const activationPair = (format: ActivationFormat, tokens: number, reordered: boolean) => {
    const make = (): Activation => {
      const storage = backend.allocate('u8', [
        backend.activationBytes({ format, channels, maxTokens: tokens }),
      ]);
      const reorder = reordered ? { reorder: tensorOf('i32', [channels], order) } : {};
      return backend.activation({ format, channels, maxTokens: tokens, storage, ...reorder });
    };
    return { actual: make(), expected: make() };
  };

  // A code of the simulated format may flip where x / s lies within an ulp of a half: one step of an INT4 group.
  const tolerance = (format: ActivationFormat) =>
    format.kind === 'f32' ? 2e-6 : format.kind === 'bf16' ? 2 ** -8 : 1 / 7;

  test.each(formats.flatMap((format) => [false, true].map((reordered) => ({ format, reordered }))))(
    'rmsNorm and siluMul finish rows as $format.kind (reordered: $reordered)',
    ({ format, reordered }) => {
      const rows = hostileRows(channels).filter((row) => row.every(Number.isFinite));
      const tokens = rows.length;
      using x = tensorOf(
        'f32',
        [tokens, channels],
        rows.flatMap((row) => [...row]),
      );
      using weight = tensorOf('f32', [channels], gaussians(channels, 3));
      const norm = activationPair(format, tokens, reordered);
      backend.rmsNorm({ x, weight, epsilon: 1e-5, out: norm.actual, tokens });
      reference.rmsNorm({ x, weight, epsilon: 1e-5, out: norm.expected, tokens });
      expectClose(
        reference.valuesOf(norm.actual.storage),
        reference.valuesOf(norm.expected.storage),
        tolerance(format),
      );

      using gateUp = tensorOf(
        'f32',
        [4, 2 * channels],
        gaussians(8 * channels, 5).map((v) => v * 4),
      );
      const silu = activationPair(format, 4, reordered);
      backend.siluMul({ gateUp, out: silu.actual, tokens: 4 });
      reference.siluMul({ gateUp, out: silu.expected, tokens: 4 });
      expectClose(
        reference.valuesOf(silu.actual.storage),
        reference.valuesOf(silu.expected.storage),
        tolerance(format),
      );
    },
  );

  test('rmsNorm of picked rows equals the rows picked from all', () => {
    using x = tensorOf('f32', [5, channels], gaussians(5 * channels, 11));
    using weight = tensorOf('f32', [channels], gaussians(channels, 12));
    using rows = tensorOf('i32', [2], [4, 1]);
    const all = activationPair({ kind: 'f32' }, 5, false).actual;
    const picked = activationPair({ kind: 'f32' }, 2, false).actual;
    backend.rmsNorm({ x, weight, epsilon: 1e-6, out: all, tokens: 5 });
    backend.rmsNorm({ x, weight, epsilon: 1e-6, out: picked, tokens: 2, rows });
    expect(picked.storage.rows(0, 1).f32()).toEqual(all.storage.rows(4, 1).f32());
    expect(picked.storage.rows(1, 1).f32()).toEqual(all.storage.rows(1, 1).f32());
  });

  test('a NaN stays in its row', () => {
    const rows = hostileRows(channels);
    using x = tensorOf(
      'f32',
      [rows.length, channels],
      rows.flatMap((row) => [...row]),
    );
    using weight = tensorOf('f32', [channels], new Float32Array(channels).fill(1));
    const { actual } = activationPair({ kind: 'f32' }, rows.length, false);
    backend.rmsNorm({ x, weight, epsilon: 1e-5, out: actual, tokens: rows.length });
    for (const [index, row] of rows.entries()) {
      const result = actual.storage.rows(index, 1).f32();
      expect(result.some(Number.isNaN), `row ${index}`).toBe(!row.every(Number.isFinite));
    }
  });

  test.each(['f32', 'bf16', 'f16'] as const)(
    'embed reads a %s table at any row and refuses foreign ids',
    (dtype) => {
      using table = backend.allocate(dtype, [7, 24]);
      const values = gaussians(7 * 24, 2);
      if (dtype === 'f32') table.f32().set(values);
      else table.u16().set(Uint16Array.from(values, (_, i) => (i * 571) & 0x3fff));
      using tokenIds = tensorOf('i32', [3], [6, 0, 3]);
      using out = tensorOf('f32', [3, 24], new Float32Array(72));
      using expected = tensorOf('f32', [3, 24], new Float32Array(72));
      backend.embed({ table, tokenIds, out, tokens: 3 });
      reference.embed({ table, tokenIds, out: expected, tokens: 3 });
      expect(out.f32()).toEqual(expected.f32());
      tokenIds.i32()[1] = 7;
      expect(() => backend.embed({ table, tokenIds, out, tokens: 3 })).toThrowError(/token id 7/);
    },
  );
});
