// Gate and up with SiLU and the next quantization fused into them: the bits that linear and siluMul leave one after the
// other, which have suites of their own. Whole storages are compared: codes, scales, sums, and what must not be touched.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ActivationFormat, LinearSource } from '../../src/backend/formats.ts';
import type { Tensor } from '../../src/backend/tensor.ts';
import { AtomError } from '../../src/errors.ts';
import { cpuBackends, gaussians, hostileRows, tensorOf } from './backends.ts';
import { type IntegerLayout, randomSource } from './integer-sources.ts';

const layout: IntegerLayout = {
  ...{ groups: 2, groupSize: 32, outliers: 32, weightBits: 4, halfScales: true, channelGroup: 1 },
};
const inputChannels = ({ groups, groupSize, outliers }: IntegerLayout) => groups * groupSize + outliers;

const integers = (options: Partial<Extract<ActivationFormat, { kind: 'int' }>> = {}): ActivationFormat => ({
  ...{ kind: 'int', bits: 4, groupSize: 32, outlierChannels: 0, range: 'signed', clip: 1 },
  ...options,
});

interface Case {
  readonly layout: IntegerLayout;
  readonly tokens: number;
  readonly channels: number;
  readonly format: ActivationFormat;
  readonly bias?: boolean;
  readonly reorder?: boolean;
  readonly seed?: number;
}

/** Groups of whole panels and of others, so that some are fused and some are not. */
const cases: fc.Arbitrary<Case> = fc
  .record({
    groups: fc.integer({ min: 1, max: 3 }),
    groupSize: fc.constantFrom(16, 32, 36, 128),
    outliers: fc.constantFrom(0, 8, 32),
    weightBits: fc.constantFrom(4 as const, 8 as const),
    halfScales: fc.boolean(),
    tokens: fc.integer({ min: 1, max: 40 }),
    outGroups: fc.integer({ min: 1, max: 9 }),
    outGroupSize: fc.constantFrom(32, 64, 96, 128, 40),
    outOutliers: fc.constantFrom(0, 32, 64, 24),
    bits: fc.constantFrom(2 as const, 3 as const, 4 as const, 8 as const),
    range: fc.constantFrom('symmetric' as const, 'signed' as const),
    clip: fc.constantFrom(1, 0.9, 127 / 112),
    hadamard: fc.boolean(),
    bias: fc.boolean(),
    reorder: fc.constantFrom(false, false, true),
    seed: fc.integer({ min: 1, max: 1e6 }),
  })
  .map(({ groups, groupSize, outliers, weightBits, halfScales, ...rest }) => {
    const { outGroups, outGroupSize, outOutliers, bits, range, clip, hadamard, ...others } = rest;
    return {
      layout: { groups, groupSize, outliers, weightBits, halfScales, channelGroup: 1 },
      channels: outGroups * outGroupSize + outOutliers,
      format: integers({
        ...{ bits, range, clip, groupSize: outGroupSize, outlierChannels: outOutliers },
        hadamard: hadamard && Number.isInteger(Math.log2(outGroupSize)),
      }),
      ...others,
    };
  });

describe.each(cpuBackends)('gate and up with SiLU on $isa', ({ backend }) => {
  /** What a linear reads, of rows x; its storage was used before. */
  function activationOf(format: ActivationFormat, channels: number, tokens: number, reorder?: Tensor) {
    const storage = backend.allocate('u8', [
      backend.activationBytes({ format, channels, maxTokens: tokens }),
    ]);
    storage.bytes().fill(0x5a);
    const shape = { format, channels, maxTokens: tokens, storage, ...(reorder && { reorder }) };
    return {
      activation: backend.activation(shape),
      storage,
      [Symbol.dispose]: () => storage[Symbol.dispose](),
    };
  }

  /** The storage after the fused operator, and after the two. */
  function both(one: Case, rows?: Float32Array, sources?: readonly LinearSource[]) {
    const { tokens, channels, format, seed = 1 } = one;
    const width = inputChannels(one.layout);
    using x = tensorOf('f32', [tokens, width], rows ?? gaussians(tokens * width, seed + 1));
    using gains = tensorOf('f32', [width], new Float32Array(width).fill(2));
    using bias = tensorOf('f32', [2 * channels], gaussians(2 * channels, seed + 2));
    using order = tensorOf(
      'i32',
      [channels],
      Int32Array.from({ length: channels }, (_, i) => channels - 1 - i),
    );
    const { groupSize, outliers } = one.layout;
    const inputFormat = sources
      ? ({ kind: 'f32' } as const)
      : integers({ bits: 8, groupSize, outlierChannels: outliers });
    using input = activationOf(inputFormat, width, tokens);
    backend.rmsNorm({ x, weight: gains, epsilon: 1e-5, out: input.activation, tokens });
    const own = () => [
      randomSource(one.layout, channels, seed),
      randomSource(one.layout, channels, seed + 3),
    ];
    using weight = backend.loadLinear(sources ?? own().map(({ source }) => source), one.bias ? { bias } : {});
    using gateUp = backend.allocate('f32', [tokens, 2 * channels]);
    const reorder = one.reorder ? order : undefined;
    using fused = activationOf(format, channels, tokens, reorder);
    using apart = activationOf(format, channels, tokens, reorder);
    const common = { input: input.activation, weight, tokens };
    backend.linearSiluMul({ ...common, gateUp, out: fused.activation });
    backend.linear({ ...common, out: gateUp });
    backend.siluMul({ gateUp, out: apart.activation, tokens });
    return [fused.storage.bytes().slice(), apart.storage.bytes().slice()] as const;
  }

  test('leave what the two operators leave, for groups and outliers of any size', () => {
    fc.assert(
      fc.property(cases, (one) => {
        const [fused, apart] = both(one);
        expect(fused).toEqual(apart);
      }),
      { numRuns: 60 },
    );
  });

  test('leave it where rows are more than a block, and outputs more than a task', () => {
    const wide = { ...layout, groups: 31, groupSize: 128, outliers: 128 };
    const format = integers({ groupSize: 128, outlierChannels: 64 });
    const [fused, apart] = both({ layout: wide, tokens: 300, channels: 2 * 128 + 64, format });
    expect(fused).toEqual(apart);
    const [one, two] = both({ layout, tokens: 5, channels: 4096, format: integers({ groupSize: 128 }) });
    expect(one).toEqual(two);
  });

  test('leave it of rows that trip careless kernels', () => {
    const rows = hostileRows(inputChannels(layout));
    const x = Float32Array.from(rows.flatMap((row) => [...row]));
    const format = integers({ outlierChannels: 32 });
    const [fused, apart] = both({ layout, tokens: rows.length, channels: 96, format }, x);
    expect(fused).toEqual(apart);
  });

  test('leave it where nothing can be fused', () => {
    const width = inputChannels(layout);
    const dense = (seed: number): LinearSource => {
      const weight = tensorOf('f32', [64, width], gaussians(64 * width, seed));
      return { kind: 'dense', weight, compute: 'f32' };
    };
    for (const format of [
      integers(),
      integers({ groupSize: 0 }),
      { kind: 'f32' },
      { kind: 'bf16' },
    ] as const) {
      for (const sources of [undefined, [dense(1), dense(2)]]) {
        const [fused, apart] = both({ layout, tokens: 9, channels: 64, format }, undefined, sources);
        expect(fused).toEqual(apart);
      }
    }
  });

  test('refuse an output of another width before anything is written', () => {
    using weight = backend.loadLinear([randomSource(layout, 64, 1).source]);
    using input = activationOf(integers({ bits: 8, outlierChannels: 32 }), inputChannels(layout), 1);
    using gateUp = backend.allocate('f32', [1, 128]);
    using out = activationOf(integers(), 64, 1);
    const common = { input: input.activation, weight, gateUp, tokens: 1 };
    expect(() => backend.linearSiluMul({ ...common, out: out.activation })).toThrow(AtomError);
    expect(out.storage.bytes().every((byte) => byte === 0x5a)).toBe(true);
  });
});
