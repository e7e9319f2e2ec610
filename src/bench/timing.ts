// Timing for benchmark programs: contenders run in turn, so that a machine that drifts drifts for all of them alike.

export interface Contender {
  readonly name: string;
  run(): void;
}

export type ClockName = 'wall' | 'processor';

/**
 * Seconds since some moment. Processor time is that of this process: on one thread it leaves out what a busy machine gave
 * to others; with more it would count their waiting for one another.
 */
const clocks: Readonly<Record<ClockName, () => number>> = {
  wall: () => performance.now() / 1000,
  processor() {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  },
};

/** Seconds of one run. */
export function secondsOf(run: () => void, clock: ClockName = 'wall'): number {
  const now = clocks[clock];
  const start = now();
  run();
  return now() - start;
}

export interface TurnOptions {
  readonly rounds?: number;
  readonly seconds?: number;
  readonly clock?: ClockName;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Seconds of each contender's runs, after one warm-up round; stops after `rounds` or, five at least, `seconds`. */
export function samplesInTurn(
  contenders: readonly Contender[],
  { rounds = 25, seconds = 4, clock = 'wall' }: TurnOptions = {},
): Map<string, number[]> {
  const times = new Map<string, number[]>(contenders.map(({ name }) => [name, []]));
  for (const contender of contenders) contender.run();
  const end = clocks.wall() + seconds;
  for (let round = 0; round < rounds && (round < 5 || clocks.wall() < end); round++) {
    for (const { name, run } of contenders) times.get(name)!.push(secondsOf(run, clock));
  }
  return times;
}

/** Median seconds of each contender, as `samplesInTurn` takes them. */
export function timeInTurn(contenders: readonly Contender[], options: TurnOptions = {}): Map<string, number> {
  return new Map([...samplesInTurn(contenders, options)].map(([name, values]) => [name, median(values)]));
}
