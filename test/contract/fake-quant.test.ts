import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { elementFormats, type FakeQuant, integerRanges } from '../../src/backend/formats.ts';
import { fakeQuantize } from '../../src/numerics/fake-quant.ts';
import { cpuBackends, gaussians, hostileRows, tensorOf } from './backends.ts';

const base: FakeQuant = {
  format: 'int4',
  groupSize: 32,
  range: 'symmetric',
  clip: 0.9,
  outlierChannels: 0,
  outlierFormat: 'none',
  outlierClip: 1,
};

function expectSameBits(actual: Float32Array, expected: Float32Array): void {
  // Compared as numbers where both are numbers: 0 and -0 are the same value; NaN equals NaN.
  for (const [i, value] of expected.entries()) {
    if (!Object.is(actual[i], value) && !(actual[i] === 0 && value === 0)) {
      expect.fail(`element ${i}: expected ${value}, got ${actual[i]}`);
    }
  }
}

describe.each(cpuBackends)('fakeQuant on $isa', ({ backend }) => {
  const run = (rows: Float32Array[], quantizer: FakeQuant) => {
    const cols = rows[0]!.length;
    using x = tensorOf('f32', [rows.length, cols], Float32Array.from(rows.flatMap((row) => [...row])));
    backend.fakeQuant({ x, out: x, rows: rows.length, quantizer });
    for (const [index, row] of rows.entries()) {
      const actual = x.f32().subarray(index * cols, (index + 1) * cols);
      expectSameBits(actual, fakeQuantize(row, quantizer));
    }
  };

  test.each(elementFormats)('%s gives the bits of the plain quantizer, hostile rows included', (format) => {
    for (const range of integerRanges) run(hostileRows(96), { ...base, format, range });
    run(hostileRows(96), { ...base, format, hadamard: true });
    run(hostileRows(96), { ...base, format: 'int4', outlierChannels: 32, outlierFormat: format });
  });

  test('every setting gives the bits of the plain quantizer', () => {
    const settings = fc.record({
      format: fc.constantFrom(...elementFormats),
      groups: fc.integer({ min: 1, max: 4 }),
      range: fc.constantFrom(...integerRanges),
      hadamard: fc.boolean(),
      clip: fc.constantFrom(1, 0.9, 0.85, 127 / 112, 1.6),
      outlierChannels: fc.constantFrom(0, 3, 32),
      outlierFormat: fc.constantFrom('none', 'fp16', 'int8', 'e4m3', 'e5m2'),
      seed: fc.integer({ min: 1, max: 1e6 }),
      magnitude: fc.constantFrom(1e-6, 1, 1e4),
    });
    fc.assert(
      fc.property(settings, ({ groups, seed, magnitude, ...rest }) => {
        const cols = groups * 32 + rest.outlierChannels;
        const row = gaussians(cols, seed).map((x) => x * magnitude);
        run([row], { ...base, ...rest, outlierFormat: rest.outlierFormat as FakeQuant['outlierFormat'] });
      }),
      { numRuns: 200 },
    );
  });

  test('groups that do not divide the row are refused', () => {
    using x = tensorOf('f32', [1, 40], new Float32Array(40));
    expect(() => backend.fakeQuant({ x, out: x, rows: 1, quantizer: base })).toThrowError(/groups of 32/);
  });
});
