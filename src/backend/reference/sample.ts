// One token of a row of logits, in f64, by sorting the vocabulary.
import type { SampleArgs } from '../backend.ts';

/** (vocab) What is left of the probabilities, not scaled to add up to 1; all 0 where there is nothing to take. */
export function keptWeights({
  logits,
  row,
  temperature,
  topK,
  topP,
  minP,
}: Omit<SampleArgs, 'draw'>): Float64Array {
  const vocab = logits.shape.at(-1)!;
  const values = logits.f32().subarray(row * vocab, (row + 1) * vocab);
  const largest = values.reduce((a, b) => (b > a ? b : a), Number.NEGATIVE_INFINITY);
  const best = values.indexOf(largest);
  const weights = new Float64Array(vocab);
  if (largest === Number.NEGATIVE_INFINITY) return weights;
  // In f32, where many are equal that are not quite so in f64.
  const probable = values.map((value) => Math.exp((value - largest) / temperature) || 0);
  let kept = Array.from(values.keys()).filter((id) => probable[id]! > 0 && probable[id]! >= minP);
  kept.sort((a, b) => probable[b]! - probable[a]! || a - b);
  const certain = Math.fround(1 / temperature) === Number.POSITIVE_INFINITY || !Number.isFinite(largest);
  if (certain || topK === 1) kept = [best];
  if (topK > 0) kept = kept.slice(0, topK);
  for (const id of kept) weights[id] = certain ? 1 : probable[id]!;
  if (topP >= 1) return weights;
  const enough = topP * kept.reduce((sum, id) => sum + weights[id]!, 0);
  let reached = 0;
  for (const [place, id] of kept.entries()) {
    const weight = weights[id]!;
    if (place > 0 && reached >= enough) weights[id] = 0;
    reached += weight;
  }
  return weights;
}

export function sample(args: SampleArgs): number {
  const weights = keptWeights(args);
  let left = args.draw * weights.reduce((sum, weight) => sum + weight, 0);
  for (const [id, weight] of weights.entries()) {
    if (left < weight) return id;
    left -= weight;
  }
  return weights.reduce((last, weight, id) => (weight > 0 ? id : last), -1);
}
