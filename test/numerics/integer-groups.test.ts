import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  asymmetricParameters,
  dequantizeAsymmetric,
  quantizeAsymmetric,
} from '../../src/numerics/asymmetric.ts';
import { requireFinite, roundHalfEven, smallestPeak } from '../../src/numerics/rounding.ts';
import {
  dequantizeSymmetric,
  largestCode,
  quantizeSymmetric,
  symmetricScale,
} from '../../src/numerics/symmetric.ts';

const groupSize = 16;
const bits = fc.constantFrom(2, 3, 4, 8);
const group = (limit: number) =>
  fc
    .array(fc.float({ min: Math.fround(-limit), max: Math.fround(limit), noNaN: true }), {
      minLength: groupSize,
      maxLength: groupSize,
    })
    .map((values) => Float32Array.from(values));

test('halves round to the even neighbour', () => {
  expect([0.5, 1.5, 2.5, -0.5, -1.5, 2.4999, -3.7].map(roundHalfEven)).toEqual([0, 2, 2, 0, -2, 2, -4]);
  expect(roundHalfEven(1e300)).toBe(1e300);
  expect(roundHalfEven(Number.NEGATIVE_INFINITY)).toBe(Number.NEGATIVE_INFINITY);
});

describe('symmetric groups', () => {
  test('unclipped error is at most half a scale', () => {
    fc.assert(
      fc.property(bits, group(1e6), (bits, values) => {
        const groups = quantizeSymmetric(values, { bits, groupSize });
        const half = groups.scales[0]! / 2;
        // One rounding in the quotient and one in the product, each at most 2^-24 of a value below 2^bits scales.
        const slack = groups.scales[0]! * 2 ** (bits - 23);
        for (const [i, value] of dequantizeSymmetric(groups).entries()) {
          expect(Math.abs(value - values[i]!)).toBeLessThanOrEqual(half + slack);
        }
      }),
    );
  });

  test('codes stay in range and clipping only saturates', () => {
    fc.assert(
      fc.property(bits, fc.double({ min: 0.3, max: 1, noNaN: true }), group(1e30), (bits, clip, values) => {
        const { codes, scales } = quantizeSymmetric(values, { bits, groupSize, clip });
        const top = largestCode(bits);
        for (const [i, code] of codes.entries()) {
          const exact = values[i]! / scales[0]!;
          expect(code).toBeGreaterThanOrEqual(-top - 1);
          expect(code).toBeLessThanOrEqual(top);
          if (exact > -top - 1 && exact < top) expect(Math.abs(code - exact)).toBeLessThan(0.5001);
        }
      }),
    );
  });

  test('a clip ratio over 1 leaves the codes beyond top / clip unused, and clips nothing', () => {
    const ratio = fc.double({ min: 1.0001, max: 2, noNaN: true });
    fc.assert(
      fc.property(
        fc.constantFrom(3, 4, 8),
        ratio,
        fc.boolean(),
        group(3.4e38),
        (bits, clip, signed, values) => {
          const { codes, scales } = quantizeSymmetric(values, { bits, groupSize, clip, signed });
          const reach = (largestCode(bits) + (signed ? 1 : 0)) / clip;
          const largest = Math.max(...codes.map(Math.abs));
          expect(largest).toBeLessThanOrEqual(Math.ceil(reach - 0.4999));
          expect(Number.isFinite(scales[0]!)).toBe(true);
          if (Math.round(reach) > largestCode(bits)) return; // the one code more has no opposite
          for (const [i, code] of codes.entries()) {
            expect(Math.abs(code - values[i]! / scales[0]!)).toBeLessThan(0.5001);
          }
        },
      ),
    );
  });

  test('quantizing what was quantized changes nothing', () => {
    fc.assert(
      fc.property(bits, group(1e6), (bits, values) => {
        const once = dequantizeSymmetric(quantizeSymmetric(values, { bits, groupSize }));
        const twice = quantizeSymmetric(once, { bits, groupSize });
        expect(twice.codes).toEqual(quantizeSymmetric(values, { bits, groupSize }).codes);
      }),
    );
  });

  test('scaling by a power of two scales the result', () => {
    fc.assert(
      fc.property(group(100), (values) => {
        fc.pre(values.some((x) => Math.abs(x) > smallestPeak));
        const scheme = { bits: 4, groupSize, clip: 0.9 } as const;
        const eightfold = quantizeSymmetric(
          values.map((x) => 8 * x),
          scheme,
        );
        expect(eightfold.codes).toEqual(quantizeSymmetric(values, scheme).codes);
      }),
    );
  });

  test('groups do not see each other', () => {
    const values = Float32Array.of(1, 2, 3, 4, 1e30, -1e30, 0, 0);
    const alone = quantizeSymmetric(values.subarray(0, 4), { bits: 4, groupSize: 4 });
    const together = quantizeSymmetric(values, { bits: 4, groupSize: 4 });
    expect(together.codes.subarray(0, 4)).toEqual(alone.codes);
    expect(together.scales[0]).toBe(alone.scales[0]);
  });

  test('a group size that does not divide the values is refused', () => {
    expect(() => quantizeSymmetric(new Float32Array(10), { bits: 4, groupSize: 4 })).toThrow(/groups of 4/);
  });
});

describe('asymmetric groups', () => {
  test('unclipped error is at most one scale', () => {
    // Half a step from the code and half from the zero point at the ends of the range.
    fc.assert(
      fc.property(bits, group(1e6), (bits, values) => {
        const groups = quantizeAsymmetric(values, { bits, groupSize });
        for (const [i, value] of dequantizeAsymmetric(groups).entries()) {
          expect(Math.abs(value - values[i]!)).toBeLessThanOrEqual(groups.scales[0]! * 1.0001);
        }
      }),
    );
  });

  test('zero comes back as zero', () => {
    fc.assert(
      fc.property(bits, group(1e6), (bits, values) => {
        values[3] = 0;
        expect(dequantizeAsymmetric(quantizeAsymmetric(values, { bits, groupSize }))[3]).toBe(0);
      }),
    );
  });

  test('a group on one side of zero keeps its values', () => {
    const values = Float32Array.of(10, 10.5, 11, 10.2);
    const back = dequantizeAsymmetric(quantizeAsymmetric(values, { bits: 4, groupSize: 4 }));
    for (const [i, value] of back.entries()) expect(Math.abs(value - values[i]!)).toBeLessThan(11 / 15);
    expect(asymmetricParameters(values, { bits: 4 }).zero).toBe(0);
    expect(
      asymmetricParameters(
        values.map((x) => -x),
        { bits: 4 },
      ).zero,
    ).toBe(15);
  });

  test('a clip ratio narrows both ends', () => {
    const values = Float32Array.of(-2, 0, 1, 4);
    const whole = asymmetricParameters(values, { bits: 4 }).scale;
    expect(asymmetricParameters(values, { bits: 4, clip: 0.5 }).scale).toBeCloseTo(whole / 2, 6);
  });
});

describe('awkward groups', () => {
  const quantizers = {
    symmetric: (values: Float32Array) =>
      dequantizeSymmetric(quantizeSymmetric(values, { bits: 4, groupSize })),
    asymmetric: (values: Float32Array) =>
      dequantizeAsymmetric(quantizeAsymmetric(values, { bits: 4, groupSize })),
  };

  test.each(Object.entries(quantizers))('%s: zeros and denormals come back as zeros', (_, quantize) => {
    const zeros = new Float32Array(groupSize);
    expect(quantize(zeros)).toEqual(zeros);
    const denormals = Float32Array.from(zeros, (_, i) => (i - 8) * 1e-42);
    expect(quantize(denormals).every((value) => Math.abs(value) === 0)).toBe(true);
  });

  test.each(Object.entries(quantizers))('%s: finite input never gives NaN', (_, quantize) => {
    fc.assert(
      fc.property(group(3.4e38), (values) => {
        expect(quantize(values).some(Number.isNaN)).toBe(false);
      }),
    );
  });

  test.each(Object.entries(quantizers))('%s: one huge channel flattens its group only', (_, quantize) => {
    const values = new Float32Array(2 * groupSize).fill(1);
    values[5] = 1e20;
    const back = quantize(values);
    expect(back[5]! / 1e20).toBeCloseTo(1, 1);
    expect(back[4]).toBe(0);
    expect(back[groupSize]).toBeCloseTo(1, 5);
  });

  test.each(Object.entries(quantizers))(
    '%s: NaN and infinity make their group NaN, no other',
    (_, quantize) => {
      for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
        const values = new Float32Array(2 * groupSize).fill(1);
        values[7] = bad;
        const back = quantize(values);
        expect(back.subarray(0, groupSize).every(Number.isNaN)).toBe(true);
        expect(back.subarray(groupSize).every(Number.isFinite)).toBe(true);
      }
    },
  );

  test('the scale never falls below the floor', () => {
    expect(symmetricScale(0, { bits: 4, clip: 0.9 })).toBeGreaterThan(1e-6);
  });

  test('the check at the door names the element', () => {
    expect(() => requireFinite(Float32Array.of(1, 2, Number.NaN), 'layer 3, up_proj')).toThrow(
      /layer 3, up_proj: element 2 is NaN/,
    );
    expect(() => requireFinite(Float32Array.of(1, 2), 'x')).not.toThrow();
  });
});
