import { describe, expect, test } from 'vitest';
import { logTotal, logProb as reference } from '../../src/backend/reference/log-prob.ts';
import { cpuBackends, gaussians, tensorOf } from './backends.ts';

describe.each(cpuBackends)('logProb on $isa', ({ backend }) => {
  test.each([1, 2, 17, 4096])('agrees with f64 arithmetic over a vocabulary of %i', (vocab) => {
    const rows = 5;
    using logits = tensorOf(
      'f32',
      [rows, vocab],
      gaussians(rows * vocab, vocab).map((x) => x * 8),
    );
    using tokenIds = tensorOf(
      'i32',
      [rows],
      Int32Array.from({ length: rows }, (_, row) => (row * 7) % vocab),
    );
    using out = tensorOf('f32', [rows], new Float32Array(rows));
    using expected = tensorOf('f32', [rows], new Float32Array(rows));
    backend.logProb({ logits, tokenIds, out, rows });
    reference({ logits, tokenIds, out: expected, rows });
    for (const [row, value] of expected.f32().entries()) {
      // One rounding of the result and the error of a float exponential.
      expect(Math.abs(out.f32()[row]! - value)).toBeLessThan(1e-6 * Math.max(1, Math.abs(value)));
      const total = logTotal({ logits, row });
      expect(Math.abs(backend.logTotal({ logits, row }) - total)).toBeLessThan(
        1e-6 * Math.max(1, Math.abs(total)),
      );
    }
  });

  test('a NaN among the logits makes that row NaN and no other', () => {
    using logits = tensorOf('f32', [2, 3], [0, Number.NaN, 1, 0, 0, 0]);
    using tokenIds = tensorOf('i32', [2], [0, 0]);
    using out = tensorOf('f32', [2], [0, 0]);
    backend.logProb({ logits, tokenIds, out, rows: 2 });
    expect(out.f32()[0]).toBeNaN();
    expect(backend.logTotal({ logits, row: 0 })).toBeNaN();
    expect(out.f32()[1]).toBeCloseTo(-Math.log(3), 6);
  });
});
