// Log-probabilities of given tokens, in f64.
import type { Backend } from '../backend.ts';

export function logTotal({ logits, row }: Parameters<Backend['logTotal']>[0]): number {
  const vocab = logits.shape.at(-1)!;
  const values = logits.f32().subarray(row * vocab, (row + 1) * vocab);
  const largest = values.reduce((a, b) => Math.max(a, b));
  return largest + Math.log(values.reduce((total, value) => total + Math.exp(value - largest), 0));
}

export function logProb({ logits, tokenIds, out, rows }: Parameters<Backend['logProb']>[0]): void {
  const vocab = logits.shape.at(-1)!;
  for (let row = 0; row < rows; row++) {
    out.f32()[row] = logits.f32()[row * vocab + tokenIds.i32()[row]!]! - logTotal({ logits, row });
  }
}
