// Linears of integer codes and inputs in bf16: codes are opened inside the kernel; against the same products in double.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LinearSource } from '../../src/backend/formats.ts';
import { matrixProduct } from '../../src/backend/reference/operators.ts';
import { weightOnlyValues } from '../../src/backend/reference/weight-only.ts';
import { encodeBf16, encodeFp16, roundToBf16 } from '../../src/numerics/half-floats.ts';
import { cpuBackends, gaussians, hostileRows, tensorOf } from './backends.ts';

interface Shape {
  readonly tokens: number;
  readonly groups: number;
  readonly groupSize: number;
  readonly outputs: readonly number[];
  readonly bits: 4 | 8;
  readonly halfScales: boolean;
  readonly channelGroup: 1 | 2;
  readonly seed: number;
}

const shapes: fc.Arbitrary<Shape> = fc.record({
  tokens: fc.integer({ min: 1, max: 30 }),
  groups: fc.integer({ min: 1, max: 5 }),
  groupSize: fc.constantFrom(8, 24, 32, 128, 1032),
  outputs: fc.array(
    fc.integer({ min: 1, max: 70 }).map((half) => 2 * half),
    { minLength: 1, maxLength: 3 },
  ),
  bits: fc.constantFrom(4, 8),
  halfScales: fc.boolean(),
  channelGroup: fc.constantFrom(1, 2),
  seed: fc.integer({ min: 1, max: 1e6 }),
});

/** A weight of every code there is, as a checkpoint holds it, with scales of either sign. */
function randomSource(
  { groups, groupSize, bits, halfScales, channelGroup }: Shape,
  outputs: number,
  seed: number,
): Extract<LinearSource, { kind: 'weightOnly' }> {
  const columns = (groups * groupSize * bits) / 8;
  const codes = Uint8Array.from(gaussians(outputs * columns, seed), (x) => Math.floor(x * 97 + 1e6) % 256);
  const dims = [outputs / channelGroup, groups];
  const numbers = gaussians((outputs / channelGroup) * groups, seed + 1);
  const scale = halfScales ? cpuBackends[0]!.backend.allocate('f16', dims) : tensorOf('f32', dims, numbers);
  if (halfScales) scale.u16().set(Uint16Array.from(numbers, encodeFp16));
  const weight = tensorOf(bits === 4 ? 'u8' : 'i8', [outputs, columns], codes);
  return { kind: 'weightOnly', bits, groupSize, channelGroup, weight, scale };
}

describe.each(cpuBackends)('weight-only linear on $isa', ({ backend }) => {
  /** x (tokens, in) is rounded to bf16. `added` is what a bias and a residual add to each output. */
  function run(shape: Shape, x: Float32Array, options: { bias?: boolean; residual?: boolean } = {}) {
    const channels = shape.groups * shape.groupSize;
    const tokens = x.length / channels;
    const format = { kind: 'bf16' } as const;
    using storage = backend.allocate('u8', [
      backend.activationBytes({ format, channels, maxTokens: tokens }),
    ]);
    const input = backend.activation({ format, channels, maxTokens: tokens, storage });
    input.storage.u16().set(Uint16Array.from(x, encodeBf16));
    const sources = shape.outputs.map((outputs, i) => randomSource(shape, outputs, shape.seed + 100 * i));
    const outFeatures = shape.outputs.reduce((a, b) => a + b);
    const biases = gaussians(outFeatures, shape.seed + 5);
    const before = gaussians(tokens * outFeatures, shape.seed + 6);
    using bias = tensorOf('f32', [outFeatures], biases);
    using out = tensorOf('f32', [tokens, outFeatures], before);
    using weight = backend.loadLinear(sources, options.bias ? { bias } : {});
    backend.linear({ input, weight, out, tokens, accumulate: options.residual ?? false });
    const values = sources.map(weightOnlyValues);
    for (const source of sources) {
      source.weight[Symbol.dispose]();
      source.scale[Symbol.dispose]();
    }
    const added = (at: number) => [
      options.bias ? biases[at % outFeatures]! : 0,
      options.residual ? before[at]! : 0,
    ];
    return { got: out.f32().slice(), values, outFeatures, channels, added };
  }

  test('products of ragged shapes stay within the bound of their norms', () => {
    fc.assert(
      fc.property(shapes, fc.boolean(), fc.boolean(), (shape, withBias, withResidual) => {
        const x = gaussians(shape.tokens * shape.groups * shape.groupSize, shape.seed + 7).map(roundToBf16);
        const { got, values, outFeatures, channels, added } = run(shape, x, {
          bias: withBias,
          residual: withResidual,
        });
        let column = 0;
        for (const weight of values) {
          const sums = matrixProduct(x, weight, channels);
          const bounds = matrixProduct(x.map(Math.abs), weight.map(Math.abs), channels);
          const outputs = weight.length / channels;
          for (const [i, sum] of sums.entries()) {
            const at = Math.floor(i / outputs) * outFeatures + column + (i % outputs);
            const [bias, residual] = added(at);
            // Every partial sum is at most the sum of magnitudes; each addition rounds once, and the truth's weight too.
            const size = bounds[i]! + Math.abs(bias!) + Math.abs(residual!);
            const bound = (channels + shape.groups + 4) * 2 ** -24 * size + 1e-30;
            expect(Math.abs(got[at]! - (sum + bias! + residual!))).toBeLessThanOrEqual(bound);
          }
          column += outputs;
        }
      }),
      { numRuns: 60 },
    );
  });

  const plain: Shape = {
    tokens: 1,
    groups: 3,
    groupSize: 128,
    outputs: [70],
    bits: 4,
    halfScales: true,
    channelGroup: 1,
    seed: 3,
  };
  const width = 3 * 128;

  test.each([4, 8] as const)('a row of %i-bit products has the same bits alone and in any batch', (bits) => {
    const x = gaussians(230 * width, 11);
    const { got } = run({ ...plain, bits }, x);
    for (const [first, count] of [
      [0, 1],
      [3, 1],
      [5, 2],
      [7, 5],
      [16, 13],
      [100, 64],
      [191, 1],
      [192, 38],
      [229, 1],
    ] as const) {
      const part = run({ ...plain, bits }, x.slice(first * width, (first + count) * width)).got;
      expect(part).toEqual(got.slice(first * 70, (first + count) * 70));
    }
  });

  test.each([4, 8] as const)('rows that trip careless kernels spoil no other row, %i bits', (bits) => {
    const clean = gaussians(width, 21);
    // The last one's products are normal numbers, and sums of them are not.
    const rows = [...hostileRows(width), clean.map((value) => value * 2e-38)];
    const x = new Float32Array(2 * rows.length * width);
    for (const [i, row] of rows.entries()) {
      x.set(row, 2 * i * width);
      x.set(clean, (2 * i + 1) * width);
    }
    const { got, values } = run({ ...plain, bits }, x);
    const sums = matrixProduct(x.map(roundToBf16), values[0]!, width);
    for (let token = 0; token < 2 * rows.length; token++) {
      const row = got.subarray(token * 70, (token + 1) * 70);
      const expected = sums.subarray(token * 70, (token + 1) * 70);
      expect(Array.from(row, Number.isNaN)).toEqual(Array.from(expected, Number.isNaN));
      if (token % 2 === 1) expect(row).toEqual(got.subarray(70, 140));
      const alone = run({ ...plain, bits }, x.slice(token * width, (token + 1) * width)).got;
      expect(alone).toEqual(row);
    }
  });

  test.each([
    [4, 512],
    [8, 256],
  ] as const)('every byte of %i-bit codes is opened exactly', (bits, columns) => {
    using codes = tensorOf(
      bits === 4 ? 'u8' : 'i8',
      [1, columns * (bits / 8)],
      Uint8Array.from({ length: 256 }, (_, i) => i),
    );
    using scale = tensorOf('f32', [1, 1], [0.3]);
    const source = {
      kind: 'weightOnly',
      bits,
      groupSize: columns,
      channelGroup: 1,
      weight: codes,
      scale,
    } as const;
    using weight = backend.loadLinear([source]);
    const format = { kind: 'bf16' } as const;
    const rows = { format, channels: columns, maxTokens: columns };
    using storage = backend.allocate('u8', [backend.activationBytes(rows)]);
    const input = backend.activation({ ...rows, storage });
    for (let i = 0; i < columns; i++) input.storage.u16()[i * columns + i] = encodeBf16(1);
    using out = backend.allocate('f32', [columns, 1]);
    backend.linear({ input, weight, out, tokens: columns });
    expect(out.f32().map((x) => x + 0)).toEqual(weightOnlyValues(source).map((x) => x + 0)); // -0 is 0
  });

  test('what does not fit is refused', () => {
    const source = randomSource(plain, 8, 1);
    expect(() => backend.loadLinear([source, randomSource({ ...plain, groups: 2 }, 8, 1)])).toThrowError(
      /same bits and groups/,
    );
    expect(() => backend.loadLinear([{ ...source, groupSize: 12 }])).toThrowError(/multiple of 8/);
    expect(() => backend.loadLinear([{ ...source, groupSize: 136 }])).toThrowError(/weight must be u8/);
    expect(() =>
      backend.loadLinear([source, { kind: 'dense', weight: source.weight, compute: 'bf16' }]),
    ).toThrowError(/one kind/);
    using weight = backend.loadLinear([source]);
    const format = { kind: 'f32' } as const;
    using storage = backend.allocate('u8', [
      backend.activationBytes({ format, channels: width, maxTokens: 1 }),
    ]);
    const input = backend.activation({ format, channels: width, maxTokens: 1, storage });
    using out = backend.allocate('f32', [1, 8]);
    expect(() => backend.linear({ input, weight, out, tokens: 1 })).toThrowError(/input in bf16/);
  });
});
