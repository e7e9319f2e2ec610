import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  dequantizeFloat4,
  float4Scale,
  nvfp4TensorScale,
  quantizeFloat4,
} from '../../src/numerics/float4.ts';
import {
  decodeBf16,
  decodeFp16,
  encodeBf16,
  encodeBf16All,
  encodeFp16,
  roundAllToBf16,
  roundToBf16,
} from '../../src/numerics/half-floats.ts';
import {
  decodeE8m0,
  decodeSmallFloat,
  e2m1,
  e4m3,
  e5m2,
  encodeE8m0,
  encodeSmallFloat,
  roundToSmallFloat,
  type SmallFloat,
} from '../../src/numerics/small-floats.ts';

const anyFloat = fc.float({ noNaN: true });

describe('16-bit floats', () => {
  const formats = { BF16: [encodeBf16, decodeBf16], FP16: [encodeFp16, decodeFp16] } as const;

  test.each(Object.entries(formats))('every %s pattern survives a round trip', (_, [encode, decode]) => {
    for (let pattern = 0; pattern < 0x10000; pattern++) {
      const value = decode(pattern);
      if (Number.isNaN(value)) expect(Number.isNaN(decode(encode(value)))).toBe(true);
      else expect(encode(value)).toBe(pattern);
    }
  });

  test.each(Object.entries(formats))('%s takes the nearest value, halves to even', (_, [encode, decode]) => {
    fc.assert(
      fc.property(anyFloat, (x) => {
        const pattern = encode(x);
        const value = decode(pattern);
        if (!Number.isFinite(value)) return;
        for (const neighbour of [pattern - 1, pattern + 1]) {
          const other = decode(neighbour & 0xffff);
          if (!Number.isFinite(other) || Math.sign(other) === -Math.sign(value)) continue;
          const [near, far] = [Math.abs(value - x), Math.abs(other - x)];
          expect(near <= far).toBe(true);
          if (near === far) expect(pattern & 1).toBe(0);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('what is too large becomes infinity', () => {
    expect(decodeFp16(encodeFp16(65519))).toBe(65504);
    expect(decodeFp16(encodeFp16(65520))).toBe(Number.POSITIVE_INFINITY);
    expect(decodeBf16(encodeBf16(-3.4e38))).toBe(Number.NEGATIVE_INFINITY);
  });
});

describe('small floats', () => {
  const formats: Record<string, SmallFloat> = { e4m3, e5m2, e2m1 };
  const valuesOf = (format: SmallFloat) =>
    Array.from({ length: 2 ** format.bits }, (_, code) => decodeSmallFloat(code, format));

  test('E2M1 is the eight magnitudes of the standard', () => {
    expect(valuesOf(e2m1).slice(0, 8)).toEqual([0, 0.5, 1, 1.5, 2, 3, 4, 6]);
    expect(valuesOf(e2m1).slice(8)).toEqual([-0, -0.5, -1, -1.5, -2, -3, -4, -6]);
  });

  test('ends of the 8-bit formats', () => {
    expect(decodeSmallFloat(0x7e, e4m3)).toBe(448);
    expect(decodeSmallFloat(0x7f, e4m3)).toBeNaN();
    expect(decodeSmallFloat(0x01, e4m3)).toBe(2 ** -9);
    expect(decodeSmallFloat(0x7b, e5m2)).toBe(57344);
    expect(decodeSmallFloat(0x7c, e5m2)).toBeNaN();
    expect(decodeSmallFloat(0x01, e5m2)).toBe(2 ** -16);
  });

  test.each(Object.entries(formats))('every %s pattern survives a round trip', (_, format) => {
    for (const [code, value] of valuesOf(format).entries()) {
      if (!Number.isNaN(value)) expect(encodeSmallFloat(value, format)).toBe(code);
    }
  });

  test.each(Object.entries(formats))('%s takes the nearest value and saturates', (_, format) => {
    const values = valuesOf(format).filter((value) => !Number.isNaN(value));
    fc.assert(
      fc.property(fc.float({ min: -500, max: 500, noNaN: true }), (x) => {
        const rounded = roundToSmallFloat(x, format);
        const nearest = Math.min(...values.map((value) => Math.abs(value - x)));
        expect(Math.abs(rounded - x)).toBe(nearest);
        expect(decodeSmallFloat(encodeSmallFloat(x, format), format)).toBe(rounded);
      }),
      { numRuns: 500 },
    );
    expect(roundToSmallFloat(1e9, format)).toBe(format.largest);
    expect(roundToSmallFloat(Number.POSITIVE_INFINITY, format)).toBeNaN();
  });

  test('halves go to even, or away from zero as in the published code', () => {
    expect(roundToSmallFloat(1.0625, e4m3)).toBe(1);
    expect(roundToSmallFloat(1.0625, e4m3, 'away')).toBe(1.125);
    expect(roundToSmallFloat(-2.5, e2m1)).toBe(-2);
    expect(roundToSmallFloat(5, e2m1)).toBe(4);
  });

  test('E8M0 is a power of two', () => {
    expect([-127, -1, 0, 127].map((exponent) => decodeE8m0(encodeE8m0(exponent)))).toEqual([
      2 ** -127,
      0.5,
      1,
      2 ** 127,
    ]);
    expect(decodeE8m0(255)).toBeNaN();
  });
});

describe('four-bit float groups', () => {
  const values = fc
    .array(fc.float({ min: -1000, max: 1000, noNaN: true }), { minLength: 32, maxLength: 32 })
    .map((list) => Float32Array.from(list));

  test('the plain scale puts the peak on 6', () => {
    const { codes, scales } = quantizeFloat4(Float32Array.of(-12, 6, 1, 0), { kind: 'fp4', groupSize: 4 });
    expect(Array.from(codes)).toEqual([0xf, 5, 1, 0]);
    expect(scales[0]).toBe(2);
  });

  test('MXFP4 scales are powers of two that leave the peak between 4 and 8', () => {
    fc.assert(
      fc.property(fc.float({ min: Math.fround(1e-30), max: Math.fround(1e30), noNaN: true }), (peak) => {
        const scale = float4Scale(peak, { kind: 'mxfp4' });
        expect(Number.isInteger(Math.log2(scale))).toBe(true);
        expect(peak / scale).toBeGreaterThanOrEqual(4);
        expect(peak / scale).toBeLessThan(8);
      }),
    );
  });

  test('NVFP4 scales are E4M3 numbers times the tensor scale', () => {
    fc.assert(
      fc.property(values, (values) => {
        const tensorScale = nvfp4TensorScale(values);
        const { scales } = quantizeFloat4(values, { kind: 'nvfp4', tensorScale });
        for (const scale of scales) {
          const ratio = Math.fround(scale / tensorScale);
          expect(Math.abs(roundToSmallFloat(ratio, e4m3) - ratio)).toBeLessThanOrEqual(ratio * 2 ** -22);
        }
      }),
    );
  });

  const schemes = {
    fp4: () => ({ kind: 'fp4', groupSize: 32 }) as const,
    mxfp4: () => ({ kind: 'mxfp4' }) as const,
    nvfp4: (list: Float32Array) => ({ kind: 'nvfp4', tensorScale: nvfp4TensorScale(list) }) as const,
  };
  // Half of the widest gap (4 to 6) over the least value that the peak's scale may put at the end.
  const widest = { fp4: 1 / 6, mxfp4: 1 / 3, nvfp4: 1 / 6 + 1 / 14 };

  test.each(['fp4', 'mxfp4', 'nvfp4'] as const)('%s: error is bounded by its share of the peak', (kind) => {
    fc.assert(
      fc.property(values, (list) => {
        const scheme = schemes[kind](list);
        const back = dequantizeFloat4(quantizeFloat4(list, scheme));
        const peak = Math.max(...list.map(Math.abs));
        for (const [i, value] of back.entries()) {
          expect(Math.abs(value - list[i]!)).toBeLessThanOrEqual(peak * widest[kind] * 1.001 + 1e-6);
        }
      }),
    );
  });

  test.each(['fp4', 'mxfp4', 'nvfp4'] as const)('%s: zeros, denormals, NaN', (kind) => {
    const zeros = new Float32Array(32);
    const quantize = (list: Float32Array) => dequantizeFloat4(quantizeFloat4(list, schemes[kind](list)));
    expect(quantize(zeros).every((value) => value === 0)).toBe(true);
    expect(quantize(zeros.map(() => 1e-44)).some(Number.isNaN)).toBe(false);
    const bad = zeros.slice();
    bad[3] = Number.NaN;
    expect(Number.isNaN(quantize(bad)[0])).toBe(true);
  });
});

test('many values at once become what each becomes alone, NaN and infinities too', () => {
  fc.assert(
    fc.property(fc.float32Array({ maxLength: 40 }), (values) => {
      const more = Float32Array.from([...values, Number.NaN, Infinity, -Infinity, 3.4e38, 1e-42, -0]);
      expect(encodeBf16All(more)).toEqual(Uint16Array.from(more, encodeBf16));
      const rounded = more.slice();
      roundAllToBf16(rounded);
      expect(rounded).toEqual(more.map(roundToBf16));
    }),
  );
});
