import { describe, expect, test } from 'vitest';
import { upperCholeskyOfInverse } from '../../src/numerics/cholesky.ts';
import { gptq, hessianOf } from '../../src/numerics/gptq.ts';
import { dequantizeWeight } from '../../src/numerics/weight.ts';
import { ChannelStatistics } from '../../src/quantize/statistics.ts';
import { cpuBackends, gaussians, tensorOf } from './backends.ts';

describe.each(cpuBackends)('quantization operators on $isa', ({ backend }) => {
  test.each([
    [1, 1],
    [5, 7],
    [33, 40],
    [70, 131],
  ])('syrk adds the outer products of %i rows of %i', (rows, n) => {
    const x = gaussians(rows * n, n);
    using input = tensorOf('f32', [rows, n], x);
    using hessian = tensorOf('f32', [n, n], new Float32Array(n * n).fill(0.5));
    backend.syrk({ x: input, rows, hessian });
    const expected = hessianOf(x, n).map((value) => (value * rows) / 2 + 0.5);
    for (const [i, value] of hessian.f32().entries()) {
      expect(Math.abs(value - expected[i]!)).toBeLessThan(1e-5 * rows);
    }
  });

  test('column statistics gather over calls', () => {
    using statistics = new ChannelStatistics(backend, 70);
    const x = gaussians(9 * 70, 3);
    using input = tensorOf('f32', [9, 70], x);
    statistics.add(input, 4);
    statistics.add(input.rows(4, 5), 5);
    expect(statistics.rows).toBe(9);
    for (let c = 0; c < 70; c++) {
      const column = Array.from({ length: 9 }, (_, row) => x[row * 70 + c]!);
      expect(statistics.sumSquares[c]).toBeCloseTo(
        column.reduce((sum, v) => sum + v * v, 0),
        10,
      );
      expect(statistics.sumMagnitudes[c]).toBeCloseTo(
        column.reduce((sum, v) => sum + Math.abs(v), 0),
        10,
      );
      expect(statistics.peaks[c]).toBe(Math.max(...column.map(Math.abs)));
    }
  });

  test.each([
    { blockSize: 32, groupSize: 16, channelGroup: 2 },
    { blockSize: 128, groupSize: 16, channelGroup: 1 },
    { blockSize: 16, groupSize: 32, channelGroup: 2 },
  ])('GPTQ in blocks of $blockSize chooses the values of the plain one: groups of $groupSize', (setting) => {
    const { blockSize, groupSize, channelGroup } = setting;
    const [rows, cols, outlierChannels, samples] = [12, 112, 16, 200];
    const weight = gaussians(rows * cols, 21);
    const inputs = gaussians(samples * cols, 22).map((x, i) => x * (1 + (i % cols) / 20));
    const hessian = hessianOf(inputs, cols);
    const options = {
      bits: 4,
      groupSize,
      clip: 0.85,
      channelGroup,
      outlierChannels,
      damping: 0.01,
      blockSize,
    } as const;
    const expected = dequantizeWeight(gptq(weight, rows, hessian, options));

    const damped = hessian.slice();
    const mean =
      Array.from({ length: cols }, (_, c) => hessian[c * cols + c]!).reduce((a, b) => a + b) / cols;
    for (let c = 0; c < cols; c++) damped[c * cols + c]! += 0.01 * mean;
    using work = tensorOf('f32', [rows, cols], weight);
    using quantized = backend.allocate('f32', [rows, cols]);
    using spread = tensorOf('f32', [cols, cols], upperCholeskyOfInverse(damped, cols));
    const normal = cols - outlierChannels;
    using scales = backend.allocate('f32', [rows / channelGroup, normal / groupSize]);
    const rule = {
      format: 'int4',
      publishedRange: true,
      stale: true,
      roundToFp16: false,
      clip: 0.85,
    } as const;
    for (let start = 0; start < normal; start += blockSize) {
      const end = Math.min(normal, start + blockSize);
      backend.gptqColumns({
        weight: work,
        quantized,
        spread,
        scales,
        start,
        end,
        groupSize,
        channelGroup,
        rule,
      });
    }
    let differing = 0;
    for (let row = 0; row < rows; row++) {
      for (let c = 0; c < normal; c++) {
        // A sum in another order may tip a value that lies halfway between two codes; few do.
        if (Math.abs(quantized.f32()[row * cols + c]! - expected[row * cols + c]!) > 1e-5) differing++;
      }
    }
    expect(differing).toBeLessThanOrEqual(0.005 * rows * normal);
  });

  test('columns outside the weight are refused', () => {
    using weight = backend.allocate('f32', [4, 8]);
    using square = backend.allocate('f32', [8, 8]);
    using scales = backend.allocate('f32', [4, 1]);
    const rule = {
      format: 'int4',
      publishedRange: false,
      stale: false,
      roundToFp16: false,
      clip: 1,
    } as const;
    const args = { weight, quantized: weight, spread: square, scales, groupSize: 8, channelGroup: 1, rule };
    expect(() => backend.gptqColumns({ ...args, start: 4, end: 9 })).toThrowError(/\[4, 9\).*8 columns/);
  });
});
