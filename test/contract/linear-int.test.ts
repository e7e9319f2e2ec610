// Integer linears: quantized inside the operator before, multiplied as integers; against the values that the simulated
// quantizer gives for the same row and the values the weight's codes stand for, multiplied in double.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nativeAddon } from '../../src/backend/cpu/native.ts';
import type { ActivationFormat } from '../../src/backend/formats.ts';
import { matrixProduct } from '../../src/backend/reference/operators.ts';
import { fakeQuantize } from '../../src/numerics/fake-quant.ts';
import { bitsOfFloat32, float32OfBits } from '../../src/numerics/half-floats.ts';
import { signedScale, symmetricScale } from '../../src/numerics/symmetric.ts';
import { cpuBackends, gaussians, hostileRows, tensorOf } from './backends.ts';
import { type IntegerLayout, randomSource } from './integer-sources.ts';

interface Shape extends IntegerLayout {
  readonly tokens: number;
  readonly outputs: readonly number[];
  readonly bits: 2 | 3 | 4 | 8;
  readonly range: 'symmetric' | 'signed';
  readonly clip: number;
  readonly reorder: boolean;
  readonly hadamard: boolean;
  readonly seed: number;
}

interface UnitRow extends Pick<Shape, 'bits' | 'range' | 'clip' | 'seed'> {
  readonly normal: number;
  readonly channels: number;
}

/** A row that RMSNorm leaves as it is, with values within two steps of a float of the middles of a group's codes. */
function unitRow({ normal, channels, bits, range, clip, seed }: UnitRow): Float32Array {
  const noise = gaussians(channels, seed);
  const peak = Math.fround(0.5 + Math.abs(noise[0]!) / 4);
  const scale =
    range === 'symmetric'
      ? symmetricScale(peak, { bits, clip })
      : signedScale(Float32Array.of(peak), { bits, clip });
  const x = new Float32Array(channels);
  for (let c = 0; c < normal; c++) {
    const middle = Math.fround((Math.floor(noise[c]! * 2 ** (bits - 2)) + 0.5) * scale);
    const near = float32OfBits(bitsOfFloat32(middle) + ((c % 5) - 2));
    x[c] = Math.abs(near) < peak ? near : 0;
  }
  x[0] = peak;
  // The outliers bring the mean of squares to 1, as near as two floats can.
  for (const c of [normal, normal + 1]) {
    const missing = channels - x.reduce((sum, value) => sum + value * value, 0);
    x[c] = Math.sqrt(Math.max(missing * (c === normal ? 0.999 : 1), 0));
  }
  return x;
}

const shapes: fc.Arbitrary<Shape> = fc.record({
  tokens: fc.integer({ min: 1, max: 30 }),
  groups: fc.integer({ min: 1, max: 5 }),
  groupSize: fc.constantFrom(2, 16, 32, 36, 128, 776),
  outliers: fc.constantFrom(0, 3, 8, 32),
  outputs: fc.array(
    fc.integer({ min: 1, max: 40 }).map((half) => 2 * half),
    { minLength: 1, maxLength: 3 },
  ),
  weightBits: fc.constantFrom(4, 8),
  bits: fc.constantFrom(2, 3, 4, 8),
  range: fc.constantFrom('symmetric', 'signed'),
  clip: fc.constantFrom(1, 0.9, 127 / 112),
  halfScales: fc.boolean(),
  channelGroup: fc.constantFrom(1, 2),
  reorder: fc.boolean(),
  hadamard: fc.boolean(),
  seed: fc.integer({ min: 1, max: 1e6 }),
});

describe.each(cpuBackends)('integer linear on $isa', ({ backend }) => {
  function run(shape: Shape, x: Float32Array, options: { bias?: boolean; residual?: boolean } = {}) {
    const { groups, groupSize, outliers, bits, range, clip, seed } = shape;
    const channels = groups * groupSize + outliers;
    const tokens = x.length / channels;
    const hadamard = shape.hadamard && Number.isInteger(Math.log2(groupSize));
    const integer: ActivationFormat = {
      kind: 'int',
      bits,
      groupSize,
      outlierChannels: outliers,
      range,
      clip,
      hadamard,
    };
    const simulated: ActivationFormat = {
      kind: 'simulated',
      quantizer: {
        format: `int${bits}`,
        groupSize,
        range,
        clip,
        hadamard,
        outlierChannels: outliers,
        outlierFormat: 'int8',
        outlierClip: 1,
      },
    };
    const order = Int32Array.from({ length: channels }, (_, i) => (i * 7 + seed) % channels);
    const isPermutation = new Set(order).size === channels;
    using reorder = tensorOf('i32', [channels], order);
    using gains = tensorOf('f32', [channels], gaussians(channels, seed + 9));
    using rows = tensorOf('f32', [tokens, channels], x);
    const prepare = (format: ActivationFormat) => {
      const storage = backend.allocate('u8', [
        backend.activationBytes({ format, channels, maxTokens: tokens }),
      ]);
      storage.bytes().fill(0x5a); // what an earlier operator left there must not matter
      const out = backend.activation({
        format,
        channels,
        maxTokens: tokens,
        storage,
        ...(shape.reorder && isPermutation && { reorder }),
      });
      backend.rmsNorm({ x: rows, weight: gains, epsilon: 1e-5, out, tokens });
      return { storage, out };
    };
    const sources = shape.outputs.map((outputs, i) => randomSource(shape, outputs, seed + 100 * i));
    const outFeatures = shape.outputs.reduce((a, b) => a + b);
    const biases = gaussians(outFeatures, seed + 5);
    using bias = tensorOf('f32', [outFeatures], biases);
    const before = gaussians(tokens * outFeatures, seed + 6);
    using out = tensorOf('f32', [tokens, outFeatures], before);
    using weight = backend.loadLinear(
      sources.map(({ source }) => source),
      options.bias ? { bias } : {},
    );
    const { storage, out: input } = prepare(integer);
    backend.linear({ input, weight, out, tokens, accumulate: options.residual ?? false });
    const truth = prepare(simulated);
    const seen = truth.out.storage.f32().slice();
    storage[Symbol.dispose]();
    truth.storage[Symbol.dispose]();
    const added = (at: number, column: number) => [
      options.bias ? biases[column]! : 0,
      options.residual ? before[at]! : 0,
    ];
    return { got: out.f32().slice(), seen, sources, outFeatures, channels, added };
  }

  test('products of ragged shapes are those of the simulated values', () => {
    fc.assert(
      fc.property(shapes, fc.boolean(), fc.boolean(), (shape, withBias, withResidual) => {
        const channels = shape.groups * shape.groupSize + shape.outliers;
        const x = gaussians(shape.tokens * channels, shape.seed + 7);
        const { got, seen, sources, outFeatures, added } = run(shape, x, {
          bias: withBias,
          residual: withResidual,
        });
        for (let token = 0; token < shape.tokens; token++) {
          const row = seen.subarray(token * channels, (token + 1) * channels);
          let column = 0;
          for (const { values } of sources) {
            const sums = matrixProduct(row, values, channels);
            const bounds = matrixProduct(row.map(Math.abs), values.map(Math.abs), channels);
            for (const [i, sum] of sums.entries()) {
              const at = token * outFeatures + column;
              const [bias, residual] = added(at, column);
              // Of each by itself: where they cancel, what was rounded on the way is still as large.
              const size = bounds[i]! + Math.abs(bias!) + Math.abs(residual!);
              const error = got[at]! - (sum + bias! + residual!);
              expect(Math.abs(error)).toBeLessThanOrEqual(2 ** -21 * size + 1e-30);
              column++;
            }
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  const plain: Shape = {
    tokens: 1,
    groups: 3,
    groupSize: 128,
    outliers: 32,
    outputs: [70],
    weightBits: 4,
    bits: 4,
    range: 'signed',
    clip: 1,
    halfScales: true,
    channelGroup: 1,
    reorder: false,
    hadamard: false,
    seed: 3,
  };
  const width = 3 * 128 + 32;

  test('a row has the same bits alone, in a batch of any size, and beyond one block of rows', () => {
    const x = gaussians(230 * width, 11);
    const { got } = run(plain, x);
    for (const [first, count] of [
      [0, 1],
      [3, 1],
      [5, 2],
      [16, 13],
      [100, 64],
      [191, 1],
      [192, 38],
      [229, 1],
    ] as const) {
      const part = run(plain, x.slice(first * width, (first + count) * width)).got;
      expect(part).toEqual(got.slice(first * 70, (first + count) * 70));
    }
  });

  test('few rows get the same bits whether panels are read side by side or one after the other', () => {
    const addon = nativeAddon();
    const before = addon.readsSideBySide() as 0 | 1;
    const wide = { ...plain, outputs: [1370] };
    const x = gaussians(4 * width, 13);
    try {
      for (const tokens of [1, 2, 3, 4]) {
        const [apart, beside] = ([0, 1] as const).map((yes) => {
          addon.setReadsSideBySide(yes);
          expect(addon.readsSideBySide()).toBe(yes);
          return run(wide, x.slice(0, tokens * width)).got;
        });
        expect(beside).toEqual(apart);
        expect(run(wide, x).got.slice(0, tokens * 1370)).toEqual(apart);
      }
    } finally {
      addon.setReadsSideBySide(before);
    }
  });

  test('many rows get the same bits whether products are halved, are not, or threads find out which is faster', () => {
    const addon = nativeAddon();
    const before = addon.halvedProducts() as 0 | 1 | 2;
    const size = fc.record({
      tokens: fc.integer({ min: 70, max: 300 }),
      groups: fc.constantFrom(1, 2, 5, 19), // with groups of 128, codes of the last are copied
      groupSize: fc.constantFrom(2, 16, 36, 128),
    });
    // Formats whose codes leave room for sums in a byte; of the last two, all of it is needed.
    const formats = [
      { bits: 4 },
      { bits: 8, range: 'symmetric', clip: 127 / 112 },
      { bits: 8, range: 'signed', clip: 8 / 7 },
    ] as const;
    try {
      fc.assert(
        fc.property(
          shapes,
          size,
          fc.constantFrom(...formats),
          fc.boolean(),
          fc.boolean(),
          (some, size, format, bias, residual) => {
            const shape = { ...some, ...size, weightBits: 4, ...format } as const;
            const channels = shape.groups * shape.groupSize + shape.outliers;
            const x = gaussians(shape.tokens * channels, shape.seed + 7);
            const edges = [1, -1].map((sign) => x.slice(0, channels).map((value) => sign * Math.sign(value)));
            const mostlyLarge = x.slice(0, channels).map((value) => Math.cbrt(Math.cbrt(value)));
            const special = [...hostileRows(channels), ...edges, mostlyLarge];
            for (const [i, row] of special.entries()) x.set(row, 5 * i * channels);
            const [apart, halved, measured] = ([0, 1, 2] as const).map((when) => {
              addon.setHalvedProducts(when);
              expect(addon.halvedProducts()).toBe(when);
              return run(shape, x, { bias, residual }).got;
            });
            expect(halved).toEqual(apart);
            expect(measured).toEqual(apart);
          },
        ),
        { numRuns: 12 },
      );
    } finally {
      addon.setHalvedProducts(before);
    }
  });

  test('rows that trip careless kernels spoil no other row', () => {
    const rows = hostileRows(width);
    const x = new Float32Array(2 * rows.length * width);
    const clean = gaussians(width, 21);
    for (const [i, row] of rows.entries()) {
      x.set(row, 2 * i * width);
      x.set(clean, (2 * i + 1) * width);
    }
    const { got, seen, sources } = run(plain, x);
    for (let token = 0; token < 2 * rows.length; token++) {
      const sums = matrixProduct(
        seen.subarray(token * width, (token + 1) * width),
        sources[0]!.values,
        width,
      );
      const row = got.subarray(token * 70, (token + 1) * 70);
      expect(Array.from(row, Number.isNaN)).toEqual(Array.from(sums, Number.isNaN));
      if (token % 2 === 1) expect(row).toEqual(got.subarray(70, 140));
    }
  });

  const middles = fc.record({
    bits: fc.constantFrom(2, 3, 4, 8),
    range: fc.constantFrom('symmetric', 'signed'),
    clip: fc.constantFrom(1, 0.9, 127 / 112, 8 / 7),
    seed: fc.integer({ min: 1, max: 1e6 }),
  });

  test('values on the middle between two codes, and next to it, get the codes that division gives', () => {
    const [normal, outliers] = [128, 32];
    const channels = normal + outliers;
    const diagonal = new Int8Array(channels * normal);
    const outlierCodes = new Int8Array(channels * outliers);
    for (let c = 0; c < channels; c++) {
      if (c < normal) diagonal[c * normal + c] = 1;
      else outlierCodes[c * outliers + c - normal] = 1;
    }
    const ones = new Float32Array(channels).fill(1);
    using weight = backend.loadLinear([
      {
        kind: 'int',
        bits: 8,
        groupSize: normal,
        channelGroup: 1,
        weight: tensorOf('i8', [channels, normal], diagonal),
        scale: tensorOf('f32', [channels, 1], ones),
        outlierWeight: tensorOf('i8', [channels, outliers], outlierCodes),
        outlierScale: tensorOf('f32', [channels], ones),
      },
    ]);
    using gains = tensorOf('f32', [channels], ones);
    using out = backend.allocate('f32', [1, channels]);
    fc.assert(
      fc.property(middles, ({ bits, range, clip, seed }) => {
        const x = unitRow({ normal, channels, bits, clip, range, seed });
        using rows = tensorOf('f32', [1, channels], x);
        const common = { bits, groupSize: normal, outlierChannels: outliers, range, clip } as const;
        const format: ActivationFormat = { kind: 'int', ...common };
        const bytes = backend.activationBytes({ format, channels, maxTokens: 1 });
        using storage = backend.allocate('u8', [bytes]);
        const input = backend.activation({ format, channels, maxTokens: 1, storage });
        backend.rmsNorm({ x: rows, weight: gains, epsilon: 0, out: input, tokens: 1 });
        backend.linear({ input, weight, out, tokens: 1 });
        const expected = fakeQuantize(x, {
          format: `int${bits}`,
          ...common,
          outlierFormat: 'int8',
          outlierClip: 1,
        });
        expect(out.f32().map((value) => value + 0)).toEqual(expected.map((value) => value + 0));
      }),
      { numRuns: 200 },
    );
  });

  test('inputs with other groups, and pieces that do not fit together, are refused', () => {
    const { source } = randomSource(plain, 8, 1);
    const { source: other } = randomSource({ ...plain, groups: 2 }, 8, 1);
    expect(() => backend.loadLinear([source, other])).toThrowError(/same bits, groups/);
    using weight = backend.loadLinear([source]);
    const format: ActivationFormat = {
      kind: 'int',
      bits: 4,
      groupSize: 64,
      outlierChannels: 32,
      range: 'signed',
      clip: 1,
    };
    using storage = backend.allocate('u8', [
      backend.activationBytes({ format, channels: width, maxTokens: 1 }),
    ]);
    const input = backend.activation({ format, channels: width, maxTokens: 1, storage });
    using out = backend.allocate('f32', [1, 8]);
    expect(() => backend.linear({ input, weight, out, tokens: 1 })).toThrowError(/groups of 128/);
  });
});
