// Log-probabilities of given tokens, in f64.
import type { Backend } from '../backend.ts';

export function logProb({ logits, tokenIds, out, rows }: Parameters<Backend['logProb']>[0]): void {
  const vocab = logits.shape.at(-1)!;
  const x = logits.f32();
  for (let row = 0; row < rows; row++) {
    const values = x.subarray(row * vocab, (row + 1) * vocab);
    const largest = values.reduce((a, b) => Math.max(a, b));
    const sum = values.reduce((total, value) => total + Math.exp(value - largest), 0);
    out.f32()[row] = values[tokenIds.i32()[row]!]! - largest - Math.log(sum);
  }
}
