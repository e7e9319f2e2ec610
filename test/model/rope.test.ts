import { expect, test } from 'vitest';
import { ropeFrequencies } from '../../src/model/rope.ts';

const headDim = 128;
const plain = (theta: number) => Float64Array.from({ length: 64 }, (_, i) => theta ** (-i / 64));

test('without scaling frequencies fall geometrically from 1', () => {
  const { frequencies, amplitude } = ropeFrequencies(
    { headDim, rope: { theta: 10_000, scaling: { type: 'none' } } },
    4096,
  );
  expect(frequencies[0]).toBe(1);
  expect(frequencies[32]).toBeCloseTo(0.01, 12);
  expect(amplitude).toBe(1);
});

test('linear scaling divides positions', () => {
  const { frequencies } = ropeFrequencies(
    { headDim, rope: { theta: 10_000, scaling: { type: 'linear', factor: 4 } } },
    16384,
  );
  expect([...frequencies]).toEqual([...plain(10_000).map((f) => f / 4)]);
});

test('dynamic scaling leaves the original context alone and stretches the slowest pair over a longer one', () => {
  const scaling = { type: 'dynamic', factor: 2, originalMaxPositions: 2048 } as const;
  const at = (positions: number) =>
    ropeFrequencies({ headDim, rope: { theta: 10_000, scaling } }, positions).frequencies;
  expect([...at(2048)]).toEqual([...plain(10_000)]);
  expect([...at(1000)]).toEqual([...plain(10_000)]);
  // NTK-aware: theta grows by (factor L / L0 - factor + 1)^(d / (d - 2)), so the last pair slows by that base exactly.
  expect(plain(10_000)[63]! / at(8192)[63]!).toBeCloseTo(2 * 4 - 1, 6);
  expect(at(8192)[0]).toBe(1);
});

test('llama3 scaling keeps short wavelengths, divides long ones and blends between', () => {
  const scaling = {
    type: 'llama3',
    factor: 8,
    lowFreqFactor: 1,
    highFreqFactor: 4,
    originalMaxPositions: 8192,
  } as const;
  const { frequencies } = ropeFrequencies({ headDim, rope: { theta: 500_000, scaling } }, 131_072);
  const base = plain(500_000);
  for (const [i, frequency] of frequencies.entries()) {
    const wavelength = (2 * Math.PI) / base[i]!;
    if (wavelength < 8192 / 4) expect(frequency).toBe(base[i]);
    else if (wavelength > 8192) expect(frequency).toBe(base[i]! / 8);
    else {
      expect(frequency).toBeLessThan(base[i]!);
      expect(frequency).toBeGreaterThan(base[i]! / 8);
    }
  }
});

test('yarn interpolates slow pairs, keeps fast ones, and corrects the temperature', () => {
  const scaling = {
    type: 'yarn',
    factor: 4,
    originalMaxPositions: 32_768,
    attentionFactor: 0.1 * Math.log(4) + 1,
    betaFast: 32,
    betaSlow: 1,
    truncate: true,
  } as const;
  const { frequencies, amplitude } = ropeFrequencies(
    { headDim, rope: { theta: 1_000_000, scaling } },
    131_072,
  );
  const base = plain(1_000_000);
  expect(frequencies[0]).toBe(base[0]);
  expect(frequencies[63]).toBeCloseTo(base[63]! / 4, 15);
  expect(amplitude).toBeCloseTo(1.1386, 4);
  for (let i = 1; i < 64; i++)
    expect(frequencies[i]! / base[i]!).toBeLessThanOrEqual(frequencies[i - 1]! / base[i - 1]! + 1e-12);
});
