// Every quantizer against vectors computed with Atom's published simulation code: the same float32 numbers.
import { describe, expect, test } from 'vitest';
import { dequantizeActivation, quantizeActivation } from '../../src/numerics/activation.ts';
import { dequantizeAsymmetric, quantizeAsymmetric } from '../../src/numerics/asymmetric.ts';
import { fakeQuantize } from '../../src/numerics/fake-quant.ts';
import { gptq, hessianOf } from '../../src/numerics/gptq.ts';
import { roundToFp16 } from '../../src/numerics/half-floats.ts';
import { e5m2, publishedE4m3, roundToSmallFloat } from '../../src/numerics/small-floats.ts';
import { dequantizeWeight, quantizeWeight } from '../../src/numerics/weight.ts';
import { concatenate, expectSameNumbers, readGolden, rowsOf } from './golden.ts';

const golden = readGolden();

describe('activations', () => {
  test.each([
    { bits: 4, clip: 0.9 },
    { bits: 3, clip: 0.9 },
    { bits: 8, clip: 1 },
  ] as const)('INT$bits, groups of 32, 32 INT8 outliers, clip $clip', ({ bits, clip }) => {
    const scheme = { bits, clip, groupSize: 32, outlierChannels: 32 };
    const rows = rowsOf(golden('x')).map((row) => dequantizeActivation(quantizeActivation(row, scheme)));
    expectSameNumbers(concatenate(rows), golden(`act_w${bits}_g32_o32int8_clip${clip}`).values);
  });

  test.each(['symmetric', 'asymmetric'] as const)('a simulated row, %s', (range) => {
    const rows = rowsOf(golden('x')).map((row) =>
      fakeQuantize(row, {
        format: 'int4',
        groupSize: 32,
        range,
        clip: range === 'symmetric' ? 0.9 : 1,
        outlierChannels: 32,
        outlierFormat: 'int8',
        outlierClip: 1,
      }),
    );
    const name = range === 'symmetric' ? 'act_w4_g32_o32int8_clip0.9' : 'act_w4_asym_g32_o32int8_clip1';
    expectSameNumbers(concatenate(rows), golden(name).values);
  });
});

test('FP8 as the published code rounds it, from FP16', () => {
  const halves = golden('x').values.map(roundToFp16);
  expectSameNumbers(
    halves.map((x) => roundToSmallFloat(x, publishedE4m3, 'away')),
    golden('fp8_e4m3_of_half_x').values,
  );
  expectSameNumbers(
    halves.map((x) => roundToSmallFloat(x, e5m2, 'away')),
    golden('fp8_e5m2_of_half_x').values,
  );
});

test('keys and values, INT4 per token and head', () => {
  const groups = quantizeAsymmetric(golden('kv_x').values, { bits: 4, groupSize: 64 });
  expectSameNumbers(dequantizeAsymmetric(groups), golden('kv_int4_asym').values);
});

test.each([1, 2])('weights to nearest, %i output channels to a scale', (channelGroup) => {
  const { values, shape } = golden('w');
  const [outFeatures, inFeatures] = shape as [number, number];
  const scheme = { bits: 4, groupSize: 32, clip: 0.85, channelGroup, outlierChannels: 32 } as const;
  const weight = dequantizeWeight(quantizeWeight(values, outFeatures, scheme));
  const normal = Array.from({ length: outFeatures }, (_, row) =>
    weight.subarray(row * inFeatures, (row + 1) * inFeatures - 32),
  );
  expectSameNumbers(
    concatenate(normal),
    golden(`w_rtn_int4_g32_clip0.85_channelgroup${channelGroup}`).values,
  );
});

test('GPTQ chooses the same code for every weight', () => {
  const { values, shape } = golden('w');
  const [outFeatures, inFeatures] = shape as [number, number];
  const result = gptq(values, outFeatures, hessianOf(golden('gptq_x').values, inFeatures), {
    bits: 4,
    groupSize: 32,
    clip: 0.85,
    channelGroup: 2,
    outlierChannels: 32,
  });
  const actual = dequantizeWeight(result);
  const expected = golden('gptq_w_int4_g32_clip0.85_channelgroup2_o32int8').values;
  // The published code factors the Hessian in float32 in an order LAPACK chooses. What differs is the last bits of the
  // group scales, far from the half scale (0.005) that another code would show.
  const deviation = Math.max(...actual.map((value, i) => Math.abs(value - expected[i]!)));
  expect(deviation).toBeLessThan(2 ** -20 * Math.max(...expected.map(Math.abs)));
});
