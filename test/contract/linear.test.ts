import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nativeAddon } from '../../src/backend/cpu/native.ts';
import { matrixProduct, valuesOf } from '../../src/backend/reference/operators.ts';
import { encodeBf16, roundToBf16 } from '../../src/numerics/half-floats.ts';
import { cpuBackends, gaussians, tensorOf } from './backends.ts';

describe.each(cpuBackends)('linear on $isa', ({ backend }) => {
  /** Runs a fused linear of two pieces over x and returns (tokens, out). */
  function run(options: {
    x: Float32Array;
    weights: readonly Float32Array[];
    inFeatures: number;
    compute: 'f32' | 'bf16';
    bias?: Float32Array;
    residual?: Float32Array;
  }): Float32Array {
    const { x, weights, inFeatures, compute, bias, residual } = options;
    const tokens = x.length / inFeatures;
    const outFeatures = weights.reduce((sum, weight) => sum + weight.length / inFeatures, 0);
    const format = { kind: compute };
    using storage = backend.allocate('u8', [
      backend.activationBytes({ format, channels: inFeatures, maxTokens: tokens }),
    ]);
    const input = backend.activation({ format, channels: inFeatures, maxTokens: tokens, storage });
    if (compute === 'f32') input.storage.f32().set(x);
    else input.storage.u16().set(Uint16Array.from(x, encodeBf16));
    const tensors = weights.map((weight) =>
      tensorOf('f32', [weight.length / inFeatures, inFeatures], weight),
    );
    const biasTensor = bias && tensorOf('f32', [outFeatures], bias);
    using weight = backend.loadLinear(
      tensors.map((tensor) => ({ kind: 'dense', weight: tensor, compute })),
      biasTensor ? { bias: biasTensor } : {},
    );
    using out = tensorOf('f32', [tokens, outFeatures], residual ?? new Float32Array(tokens * outFeatures));
    backend.linear({ input, weight, out, tokens, accumulate: residual !== undefined });
    for (const tensor of tensors) tensor[Symbol.dispose]();
    return out.f32().slice();
  }

  test.each(['f32', 'bf16'] as const)(
    '%s products of ragged shapes stay within the bound of their norms',
    (compute) => {
      const shapes = fc.record({
        tokens: fc.integer({ min: 1, max: 19 }),
        inFeatures: fc.integer({ min: 1, max: 200 }),
        out: fc.tuple(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 30 })),
        seed: fc.integer({ min: 1, max: 1e6 }),
      });
      fc.assert(
        fc.property(shapes, ({ tokens, inFeatures, out, seed }) => {
          const round = (values: Float32Array) => (compute === 'bf16' ? values.map(roundToBf16) : values);
          const x = round(gaussians(tokens * inFeatures, seed));
          const weights = out.map((n, i) => round(gaussians(n * inFeatures, seed + i + 1)));
          const outFeatures = out[0] + out[1];
          const bias = gaussians(outFeatures, seed + 3);
          const residual = gaussians(tokens * outFeatures, seed + 4);
          const actual = run({ x, weights, inFeatures, compute, bias, residual });
          for (let token = 0; token < tokens; token++) {
            const row = x.subarray(token * inFeatures, (token + 1) * inFeatures);
            const magnitudes = row.map(Math.abs);
            let column = 0;
            for (const weight of weights) {
              const sums = matrixProduct(row, weight, inFeatures);
              const bounds = matrixProduct(magnitudes, weight.map(Math.abs), inFeatures);
              for (const [i, sum] of sums.entries()) {
                const at = token * outFeatures + column;
                const expected = sum + bias[column]! + residual[at]!;
                // Every partial sum is at most the sum of magnitudes, and each of the n additions rounds once.
                const bound =
                  (inFeatures + 4) *
                    2 ** -24 *
                    (bounds[i]! + Math.abs(bias[column]!) + Math.abs(residual[at]!)) +
                  1e-37;
                expect(Math.abs(actual[at]! - expected)).toBeLessThanOrEqual(bound);
                column++;
              }
            }
          }
        }),
        { numRuns: 40 },
      );
    },
  );

  test.each(['f32', 'bf16'] as const)(
    'a row of a %s product has the same bits alone and among others',
    (compute) => {
      const inFeatures = 131;
      const x = gaussians(23 * inFeatures, 9);
      const weights = [gaussians(37 * inFeatures, 10)];
      const all = run({ x, weights, inFeatures, compute });
      for (const token of [0, 3, 11, 22]) {
        const alone = run({
          x: x.slice(token * inFeatures, (token + 1) * inFeatures),
          weights,
          inFeatures,
          compute,
        });
        expect(alone).toEqual(all.slice(token * 37, (token + 1) * 37));
      }
    },
  );

  test('NaN and infinities spread to their own row and column only', () => {
    const x = gaussians(3 * 40, 1);
    x[45] = Number.NaN;
    const weight = gaussians(5 * 40, 2);
    weight[3 * 40] = Number.POSITIVE_INFINITY;
    const out = run({ x, weights: [weight], inFeatures: 40, compute: 'f32' });
    for (const [i, value] of out.entries()) {
      expect(Number.isFinite(value)).toBe(Math.floor(i / 5) !== 1 && i % 5 !== 3);
    }
  });

  test('weights convert from half precision as IEEE 754 says', () => {
    using weight = backend.allocate('f16', [4, 8]);
    weight.u16().set(Uint16Array.from({ length: 32 }, (_, i) => (i * 2113) & 0xfbff));
    const format = { kind: 'f32' } as const;
    using storage = backend.allocate('u8', [backend.activationBytes({ format, channels: 8, maxTokens: 8 })]);
    const input = backend.activation({ format, channels: 8, maxTokens: 8, storage });
    for (let i = 0; i < 8; i++) input.storage.f32()[i * 8 + i] = 1;
    using loaded = backend.loadLinear([{ kind: 'dense', weight, compute: 'f32' }]);
    using out = backend.allocate('f32', [8, 4]);
    backend.linear({ input, weight: loaded, out, tokens: 8 });
    const values = valuesOf(weight);
    for (let i = 0; i < 8; i++)
      for (let n = 0; n < 4; n++) expect(out.f32()[i * 4 + n]).toBe(values[n * 8 + i]);
  });

  test('a weight of a mapped file outlives the mapping, in memory that ends with the linear', () => {
    const format = { kind: 'f32' } as const;
    using storage = backend.allocate('u8', [backend.activationBytes({ format, channels: 40, maxTokens: 1 })]);
    const input = backend.activation({ format, channels: 40, maxTokens: 1, storage });
    input.storage.f32()[3] = 1;
    using out = backend.allocate('f32', [1, 24]);
    const values = gaussians(40 * 24, 17);
    const path = join(mkdtempSync(join(tmpdir(), 'atom-mapped-')), 'weight');
    writeFileSync(path, Buffer.from(values.buffer));
    const before = nativeAddon().liveBytes();
    const file = backend.mapFile(path);
    const source = (...shape: number[]) =>
      ({
        kind: 'dense',
        weight: file.tensor({ dtype: 'f32', shape, byteOffset: 0 }),
        compute: 'f32',
      }) as const;
    const weight = backend.loadLinear([source(24, 40)]);
    expect(() => backend.loadLinear([source(24, 40), source(12, 80)])).toThrowError(/cannot be fused/);
    file[Symbol.dispose]();
    rmSync(dirname(path), { recursive: true });
    backend.linear({ input, weight, out, tokens: 1 });
    expect(out.f32()).toEqual(Float32Array.from({ length: 24 }, (_, n) => values[n * 40 + 3]!));
    weight[Symbol.dispose]();
    expect(nativeAddon().liveBytes()).toBe(before);
  });

  test('an input of another width is refused', () => {
    using storage = backend.allocate('u8', [4096]);
    const input = backend.activation({ format: { kind: 'f32' }, channels: 8, maxTokens: 2, storage });
    using tensor = tensorOf('f32', [3, 9], new Float32Array(27));
    using weight = backend.loadLinear([{ kind: 'dense', weight: tensor, compute: 'f32' }]);
    using out = backend.allocate('f32', [2, 3]);
    expect(() => backend.linear({ input, weight, out, tokens: 2 })).toThrowError(/linear.*9 channels/);
  });
});
