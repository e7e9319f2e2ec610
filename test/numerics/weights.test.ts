import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dequantizeActivation, quantizeActivation } from '../../src/numerics/activation.ts';
import { choleskyLower, upperCholeskyOfInverse } from '../../src/numerics/cholesky.ts';
import { fakeQuantize } from '../../src/numerics/fake-quant.ts';
import { gptq, hessianOf } from '../../src/numerics/gptq.ts';
import { packNibbles, unpackSignedNibbles, unpackUnsignedNibbles } from '../../src/numerics/packing.ts';
import {
  invertPermutation,
  reorderColumns,
  reorderIndex,
  requirePermutation,
} from '../../src/numerics/reorder.ts';
import { dequantizeWeight, quantizeWeight } from '../../src/numerics/weight.ts';

const floats = (length: number) =>
  fc
    .array(fc.float({ min: -10, max: 10, noNaN: true }), { minLength: length, maxLength: length })
    .map((list) => Float32Array.from(list));

describe('packing', () => {
  test('the even code is in the low nibble', () => {
    expect(Array.from(packNibbles(Int8Array.of(1, -8, 7, -1)))).toEqual([0x81, 0xf7]);
  });

  test('codes survive, signed and unsigned', () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
    expect(packNibbles(unpackSignedNibbles(bytes))).toEqual(bytes);
    expect(packNibbles(unpackUnsignedNibbles(bytes))).toEqual(bytes);
    expect(Math.min(...unpackSignedNibbles(bytes))).toBe(-8);
    expect(Math.max(...unpackUnsignedNibbles(bytes))).toBe(15);
  });

  test('an odd count is refused', () => {
    expect(() => packNibbles(new Int8Array(3))).toThrow(/even/);
  });
});

describe('reordering', () => {
  test('scores ascend, ties keep their order', () => {
    expect(Array.from(reorderIndex([3, 1, 2, 1]))).toEqual([1, 3, 2, 0]);
  });

  test('an index of any scores is a permutation, and its inverse undoes it', () => {
    fc.assert(
      fc.property(floats(24), (values) => {
        const index = reorderIndex(values.subarray(0, 12));
        requirePermutation(index, 12, 'index');
        expect(reorderColumns(reorderColumns(values, index), invertPermutation(index))).toEqual(values);
      }),
    );
  });

  test('what is no permutation is refused with its reason', () => {
    expect(() => requirePermutation(Int32Array.of(0, 1), 3, 'layer 2 reorder_index')).toThrow(
      /has 2 entries/,
    );
    expect(() => requirePermutation(Int32Array.of(0, 1, 1), 3, 'x')).toThrow(/channel 1 appears twice/);
    expect(() => requirePermutation(Int32Array.of(0, -1, 1), 3, 'x')).toThrow(/entry 1 is -1/);
    expect(() => reorderIndex([1, Number.NaN])).toThrow(/channel 1 is NaN/);
  });
});

describe('weights and activations', () => {
  test('outlier channels are kept to one part in 254, whatever the others do', () => {
    fc.assert(
      fc.property(floats(48), (row) => {
        const scheme = { bits: 2, groupSize: 0, clip: 0.5, outlierChannels: 16 } as const;
        const back = dequantizeActivation(quantizeActivation(row, scheme));
        const peak = Math.max(...row.subarray(32).map(Math.abs), 1e-5);
        for (let i = 32; i < 48; i++) {
          expect(Math.abs(back[i]! - row[i]!)).toBeLessThanOrEqual((peak / 254) * 1.001);
        }
      }),
    );
  });

  test('a simulated row and an integer row are the same numbers', () => {
    fc.assert(
      fc.property(floats(80), (row) => {
        const scheme = { bits: 4, groupSize: 16, clip: 0.9, outlierChannels: 32 } as const;
        const simulated = fakeQuantize(row, {
          ...scheme,
          format: 'int4',
          range: 'symmetric',
          outlierFormat: 'int8',
          outlierClip: 1,
        });
        expect(simulated).toEqual(dequantizeActivation(quantizeActivation(row, scheme)));
      }),
    );
  });

  test.each([
    'none',
    'fp16',
    'int8',
    'nvfp4',
    'mxfp4',
    'fp4',
    'e4m3',
    'int4',
    'e5m2',
    'int3',
    'int2',
  ] as const)('simulated %s keeps the input untouched and its own result', (format) => {
    const row = Float32Array.from({ length: 64 }, (_, i) => Math.sin(i) * 3);
    const copy = row.slice();
    const back = fakeQuantize(row, {
      format,
      groupSize: 32,
      range: 'symmetric',
      clip: 1,
      outlierChannels: 0,
      outlierFormat: 'none',
      outlierClip: 1,
    });
    expect(row).toEqual(copy);
    const worst = Math.max(...back.map((value, i) => Math.abs(value - row[i]!)));
    const bound = { none: 0, fp16: 0.002, int8: 0.012, e4m3: 0.126, e5m2: 0.251, int4: 0.215, int3: 0.51 };
    expect(worst).toBeLessThanOrEqual((bound as Record<string, number>)[format] ?? 1.51);
  });

  test('a scale shared by two output channels comes from the larger', () => {
    const weight = Float32Array.of(1, -1, 7, 0.5); // (2, 2)
    const scheme = { bits: 4, groupSize: 0, clip: 1, channelGroup: 2, outlierChannels: 0 } as const;
    const result = quantizeWeight(weight, 2, scheme);
    expect(Array.from(result.scales)).toEqual([1]);
    expect(Array.from(result.codes)).toEqual([1, -1, 7, 0]);
    expect(() => quantizeWeight(weight, 1, { ...scheme, outlierChannels: 0 })).toThrow(/groups of 2/);
  });
});

describe('GPTQ', () => {
  const channels = 48;
  const outFeatures = 8;
  // Correlated inputs: a few directions carry most of the energy, as in a real layer.
  const noise = (seed: number) => {
    let state = seed;
    return () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 32 - 0.5;
    };
  };
  const random = noise(7);
  const mixing = Float32Array.from({ length: 8 * channels }, random);
  const inputs = Float32Array.from({ length: 200 * channels });
  for (let token = 0; token < 200; token++) {
    const directions = Array.from({ length: 8 }, random);
    for (let channel = 0; channel < channels; channel++) {
      const mixed = directions.reduce((sum, d, i) => sum + d * mixing[i * channels + channel]!, 0);
      inputs[token * channels + channel] = mixed + 0.1 * random();
    }
  }
  const hessian = hessianOf(inputs, channels);
  const weight = Float32Array.from({ length: outFeatures * channels }, random);
  const scheme = { bits: 4, groupSize: 16, clip: 1, channelGroup: 1, outlierChannels: 16 } as const;

  /** sum over rows of d H d^T with d the row's error: proportional to the squared error of the output. */
  const outputError = (quantized: Float32Array) => {
    let error = 0;
    for (let row = 0; row < outFeatures; row++) {
      const d = weight
        .subarray(row * channels, (row + 1) * channels)
        .map((x, i) => x - quantized[row * channels + i]!);
      for (const [i, di] of d.entries()) {
        for (const [j, dj] of d.entries()) error += di * hessian[i * channels + j]! * dj;
      }
    }
    return error;
  };

  test('the factor of the inverse is one', () => {
    const damped = hessian.map((value, i) => (i % (channels + 1) === 0 ? value + 0.01 : value));
    const upper = upperCholeskyOfInverse(damped, channels);
    // U^T U damped = I
    for (let i = 0; i < channels; i++) {
      for (let j = 0; j < channels; j++) {
        let sum = 0;
        for (let k = 0; k < channels; k++) {
          let inverse = 0;
          for (let m = 0; m <= Math.min(i, k); m++)
            inverse += upper[m * channels + i]! * upper[m * channels + k]!;
          sum += inverse * damped[k * channels + j]!;
        }
        expect(Math.abs(sum - (i === j ? 1 : 0))).toBeLessThan(1e-9);
      }
    }
  });

  test('a matrix that is not positive definite is refused', () => {
    expect(() => choleskyLower(Float64Array.of(1, 2, 2, 1), 2)).toThrow(/not positive definite at channel 1/);
  });

  test('the output error is far below round-to-nearest', () => {
    const nearest = outputError(dequantizeWeight(quantizeWeight(weight, outFeatures, scheme)));
    const compensated = outputError(dequantizeWeight(gptq(weight, outFeatures, hessian, scheme)));
    expect(compensated).toBeLessThan(0.5 * nearest);
  });

  test('the block size changes no more than group scales', () => {
    const oneGroup = { ...scheme, groupSize: 0 };
    const blocks = [8, 32, 128].map((blockSize) =>
      gptq(weight, outFeatures, hessian, { ...oneGroup, blockSize }),
    );
    expect(blocks[1]!.codes).toEqual(blocks[2]!.codes);
    expect(blocks[0]!.codes).toEqual(blocks[2]!.codes);
  });

  test('with uncorrelated inputs nothing is spread: round-to-nearest at the same scales', () => {
    const identity = new Float64Array(channels ** 2).map((_, i) => (i % (channels + 1) === 0 ? 1 : 0));
    const { codes, scales } = gptq(weight, outFeatures, identity, { ...scheme, clip: 15 / 14 });
    const nearest = quantizeWeight(weight, outFeatures, scheme);
    expect(codes).toEqual(nearest.codes);
    for (const [i, scale] of scales.entries()) expect(scale / nearest.scales[i]!).toBeCloseTo(1, 6);
  });

  test('a channel that no input uses loses its weights', () => {
    const silent = hessian.slice();
    for (let i = 0; i < channels; i++) silent[3 * channels + i] = silent[i * channels + 3] = 0;
    const quantized = dequantizeWeight(gptq(weight, outFeatures, silent, scheme));
    for (let row = 0; row < outFeatures; row++) expect(quantized[row * channels + 3]).toBe(0);
  });

  test('neither weight nor Hessian is changed; a Hessian of another size is refused', () => {
    const [before, hessianBefore] = [weight.slice(), hessian.slice()];
    gptq(weight, outFeatures, hessian, scheme);
    expect(weight).toEqual(before);
    expect(hessian).toEqual(hessianBefore);
    expect(() => gptq(weight, outFeatures, new Float64Array(4), scheme)).toThrow(/does not fit 48 channels/);
  });
});
