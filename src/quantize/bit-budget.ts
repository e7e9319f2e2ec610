// Where the bits of a budget do most good: one choice per item, the least sum of losses whose sum of bits fits.
// Exact, by dynamic programming over the sums that no other beats (the multiple-choice knapsack). Plain numbers: it must
// not know what the items are.

export interface Choice {
  readonly bits: number;
  readonly loss: number;
}

/** A sum of one choice of each item so far. */
interface Sum extends Choice {
  readonly choice: number;
  /** The same without the last item. */
  readonly before?: Sum;
}

/** Sums kept after an item; where there are more, of those within this share of the budget the best one stays. */
const mostSums = 2 ** 17;

/**
 * The index of each item's choice, in order; undefined when not even the smallest choices fit. Of equal losses the one of
 * fewer bits wins, then the choice named first.
 */
export function spendBits(items: readonly (readonly Choice[])[], budget: number): number[] | undefined {
  const least = items.map((choices) => Math.min(...choices.map(({ bits }) => bits)));
  let toCome = least.reduce((sum, bits) => sum + bits, 0);
  if (toCome > budget) return undefined;
  let sums: Sum[] = [{ bits: 0, loss: 0, choice: -1 }];
  for (const [item, choices] of items.entries()) {
    toCome -= least[item]!;
    const longer: Sum[] = [];
    for (const [choice, { bits, loss }] of choices.entries()) {
      for (const before of sums) {
        const sum = { bits: before.bits + bits, loss: before.loss + loss, choice, before };
        if (sum.bits + toCome <= budget) longer.push(sum);
      }
    }
    sums = unbeaten(longer, budget);
  }
  const picked: number[] = [];
  for (let at = sums.at(-1); at?.before; at = at.before) picked.push(at.choice);
  return picked.reverse();
}

/** Ascending in bits, strictly descending in loss. */
function unbeaten(sums: Sum[], budget: number): Sum[] {
  sums.sort((a, b) => a.bits - b.bits || a.loss - b.loss || a.choice - b.choice);
  let lowest = Infinity;
  const kept = sums.filter(({ loss }) => {
    if (loss >= lowest) return false;
    lowest = loss;
    return true;
  });
  if (kept.length <= mostSums) return kept;
  // The smallest stays, so that the budget can always be met; of every other cell the one of least loss, its last.
  const cell = ({ bits }: Sum) => Math.floor((bits / budget) * mostSums);
  return kept.filter((sum, i) => i === 0 || i === kept.length - 1 || cell(sum) !== cell(kept[i + 1]!));
}
