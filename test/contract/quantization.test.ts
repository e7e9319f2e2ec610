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
      if (i % n < Math.floor(i / n)) continue; // below the diagonal
      expect(Math.abs(value - expected[i]!)).toBeLessThan(1e-5 * rows);
    }
  });

  test.each([1, 5, 128, 129, 300])('the Cholesky factor of the inverse of %i channels', (n) => {
    const x = gaussians(2 * n * n, n).map((value, i) => value * (1 + (i % n) / 8));
    const hessian = hessianOf(x, n);
    using matrix = tensorOf('f32', [n, n], hessian);
    using out = backend.allocate('f32', [n, n]);
    backend.inverseCholesky({ matrix, out });
    const expected = upperCholeskyOfInverse(hessian, n);
    const largest = expected.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    for (const [i, value] of out.f32().entries()) {
      // n roundings of 2^-24, grown by the condition number (about 100 here).
      expect(Math.abs(value - expected[i]!)).toBeLessThan(1e-4 * largest);
    }
  });

  test('a matrix that is not positive definite is refused', () => {
    using matrix = tensorOf('f32', [2, 2], [1, 2, 2, 1]);
    using out = backend.allocate('f32', [2, 2]);
    expect(() => backend.inverseCholesky({ matrix, out })).toThrowError(/not positive definite/);
  });

  test.each([
    { kind: 'share', share: 0.5 },
    { kind: 'pattern', zeros: 2, of: 4 },
  ] as const)('pruning by $kind leaves zeros where they were asked for', (prune) => {
    const [rows, cols] = [16, 64];
    // Neighbouring channels go together, so that those that stay can make up for those that go.
    const noise = gaussians(200 * cols, 5);
    const inputs = noise.map(
      (x, i) => x + 0.9 * noise[Math.max(0, i - 1)]! + 0.8 * noise[Math.max(0, i - 2)]!,
    );
    const hessian = hessianOf(inputs, cols);
    using weight = tensorOf('f32', [rows, cols], gaussians(rows * cols, 6));
    const before = weight.f32().slice();
    using spread = tensorOf('f32', [cols, cols], upperCholeskyOfInverse(hessian, cols));
    using quantized = backend.allocate('f32', [rows, cols]);
    using scales = backend.allocate('f32', [rows, 1]);
    const rule = {
      format: 'none',
      publishedRange: false,
      stale: false,
      roundToFp16: false,
      clip: 1,
    } as const;
    const error = (values: Float32Array) => {
      let sum = 0;
      for (let row = 0; row < rows; row++) {
        for (let i = 0; i < cols; i++) {
          for (let j = 0; j < cols; j++) {
            const [a, b] = [row * cols + i, row * cols + j];
            sum += (values[a]! - before[a]!) * hessian[i * cols + j]! * (values[b]! - before[b]!);
          }
        }
      }
      return sum;
    };
    for (let start = 0; start < cols; start += 32) {
      const columns = { start, end: start + 32, groupSize: cols, channelGroup: 1 };
      backend.gptqColumns({ weight, quantized, spread, scales, ...columns, rule, prune });
    }
    const zeros = [...quantized.f32()].filter((value) => value === 0).length;
    expect(zeros).toBe((rows * cols) / 2);
    if (prune.kind === 'pattern') {
      for (let i = 0; i < rows * cols; i += 4) {
        expect([...quantized.f32().subarray(i, i + 4)].filter((value) => value === 0)).toHaveLength(2);
      }
    }
    // The weights that stay make up for those that went.
    const dropped = before.map((value, i) => (quantized.f32()[i] === 0 ? 0 : value));
    expect(error(quantized.f32())).toBeLessThan(0.8 * error(dropped));
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
