// Timing for benchmark programs: contenders run in turn, so that a machine that drifts drifts for all of them alike.

export interface Contender {
  readonly name: string;
  run(): void;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Median seconds of each contender, after one warm-up round; stops after `rounds` rounds or `seconds`, at least five. */
export function timeInTurn(
  contenders: readonly Contender[],
  { rounds = 25, seconds = 4 }: { rounds?: number; seconds?: number } = {},
): Map<string, number> {
  const times = new Map<string, number[]>(contenders.map(({ name }) => [name, []]));
  for (const contender of contenders) contender.run();
  const end = performance.now() + seconds * 1000;
  for (let round = 0; round < rounds && (round < 5 || performance.now() < end); round++) {
    for (const { name, run } of contenders) {
      const start = performance.now();
      run();
      times.get(name)!.push((performance.now() - start) / 1000);
    }
  }
  return new Map([...times].map(([name, values]) => [name, median(values)]));
}
