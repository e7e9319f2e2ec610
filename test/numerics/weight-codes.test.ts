// Codes of every format: what rounding made comes back bit for bit, whatever the shape.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeSmallFloat, e2m1, e4m3, e5m2 } from '../../src/numerics/small-floats.ts';
import { type CodeFormat, decodeWeight, encodeWeight } from '../../src/numerics/weight-codes.ts';

const floats = { fp4: e2m1, mxfp4: e2m1, nvfp4: e2m1, e4m3, e5m2 } as const;
const bits = { int2: 2, int3: 3, int4: 4, int8: 8 } as const;

/** All values that the codes of a format stand for, in units of the scale. */
function valuesOf(format: CodeFormat): number[] {
  if (format in bits) {
    const top = 2 ** (bits[format as keyof typeof bits] - 1);
    return Array.from({ length: 2 * top }, (_, i) => i - top);
  }
  const small = floats[format as keyof typeof floats];
  return Array.from({ length: 2 ** small.bits }, (_, code) => decodeSmallFloat(code, small)).filter(
    Number.isFinite,
  );
}

const formats: CodeFormat[] = ['int2', 'int3', 'int4', 'int8', 'fp4', 'mxfp4', 'nvfp4', 'e4m3', 'e5m2'];

test.each(formats)('%s: values of codes survive, and columns beside them stay untouched', (format) => {
  const units = valuesOf(format);
  const shape = fc.record({
    channelGroups: fc.integer({ min: 1, max: 3 }),
    channelGroup: fc.constantFrom(1, 2),
    groups: fc.integer({ min: 1, max: 4 }),
    groupSize: fc.constantFrom(2, 16, 32),
    first: fc.integer({ min: 0, max: 3 }),
    after: fc.integer({ min: 0, max: 3 }),
    seed: fc.integer(),
  });
  fc.assert(
    fc.property(shape, ({ channelGroups, channelGroup, groups, groupSize, first, after, seed }) => {
      let state = seed >>> 0;
      const random = () => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return state / 2 ** 32;
      };
      const rows = channelGroups * channelGroup;
      const columns = groups * groupSize;
      const pitch = first + columns + after;
      // Scales of either sign, and some of zero, as a group of zeros has.
      const scales = Float32Array.from({ length: channelGroups * groups }, () =>
        random() < 0.1 ? 0 : (random() - 0.3) * 2 ** Math.floor(20 * random() - 10),
      );
      const values = Float32Array.from({ length: rows * pitch }, () => random());
      for (let row = 0; row < rows; row++) {
        for (let c = 0; c < columns; c++) {
          const scale = scales[Math.floor(row / channelGroup) * groups + Math.floor(c / groupSize)]!;
          const unit = units[Math.floor(random() * units.length)]!;
          values[row * pitch + first + c] = Object.is(unit, -0) || unit === 0 ? 0 : unit * scale;
        }
      }
      const layout = { format, rows, pitch, first, columns, groupSize, channelGroup, scales };
      const out = values.slice();
      for (let row = 0; row < rows; row++)
        out.fill(Number.NaN, row * pitch + first, row * pitch + first + columns);
      decodeWeight(encodeWeight(values, layout), out, layout);
      expect(Array.from(out, (x) => x + 0)).toEqual(Array.from(values, (x) => x + 0));
    }),
    { numRuns: 60 },
  );
});
