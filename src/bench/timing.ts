// Timing for benchmark programs: contenders run in turn, so that a machine that drifts drifts for all of them alike.

export interface Contender {
  readonly name: string;
  run(): void;
}

/** Seconds since some moment. */
export type Clock = () => number;

export const wallClock: Clock = () => performance.now() / 1000;

/**
 * Processor time of this process. On one thread it leaves out what a busy machine gave to others; with more it would count
 * their waiting for one another.
 */
export const processorClock: Clock = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

export interface TurnOptions {
  readonly rounds?: number;
  readonly seconds?: number;
  readonly clock?: Clock;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Seconds of each contender's runs, after one warm-up round; stops after `rounds` or, five at least, `seconds`. */
export function samplesInTurn(
  contenders: readonly Contender[],
  { rounds = 25, seconds = 4, clock = wallClock }: TurnOptions = {},
): Map<string, number[]> {
  const times = new Map<string, number[]>(contenders.map(({ name }) => [name, []]));
  for (const contender of contenders) contender.run();
  const end = wallClock() + seconds;
  for (let round = 0; round < rounds && (round < 5 || wallClock() < end); round++) {
    for (const { name, run } of contenders) {
      const start = clock();
      run();
      times.get(name)!.push(clock() - start);
    }
  }
  return times;
}

/** Median seconds of each contender, as `samplesInTurn` takes them. */
export function timeInTurn(contenders: readonly Contender[], options: TurnOptions = {}): Map<string, number> {
  return new Map([...samplesInTurn(contenders, options)].map(([name, values]) => [name, median(values)]));
}
