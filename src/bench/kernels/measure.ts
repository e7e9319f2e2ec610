// How a kernel is timed: in turn with the ceilings of the machine, so that what slows the one slows the other.
// Must not know what the kernels compute.
import type { CpuBackend } from '../../backend/cpu/cpu-backend.ts';
import { type Ceiling, type CeilingContender, ceilingContender, vectorSet } from '../peaks.ts';
import { type ClockName, type Contender, median, samplesInTurn, secondsOf } from '../timing.ts';
import type { OperatorTime } from './operator-clock.ts';

/** One operator on one shape with one number of rows. */
interface CaseFacts {
  readonly operator: string;
  readonly shape: string;
  readonly rows: number;
  /** Additions and multiplications of one run. */
  readonly operations: number;
  /** What one run must read and write at least. */
  readonly bytes: number;
  /** What its arithmetic is measured against; without it memory alone is its ceiling. */
  readonly arithmetic?: Exclude<Ceiling, 'read' | 'int8Vector'>;
}

/** The same, ready to run. */
export interface KernelCase extends CaseFacts {
  run(): void;
  /** What its operators take, where it is made of several: the mean of `repeats` runs. */
  operatorTimes?(repeats: number): OperatorTime[];
}

/** Cases that share their weights. */
export interface CaseGroup extends Disposable {
  readonly cases: readonly KernelCase[];
}

export interface KernelFigure {
  readonly operator: string;
  readonly shape: string;
  readonly rows: number;
  /** Median. */
  readonly seconds: number;
  readonly leastSeconds: number;
  readonly gops: number;
  readonly gigabytesPerSecond: number;
  /** Of the operation's peak, where it has one. */
  readonly shareOfPeak?: number;
  /** Of the integer peak without matrix tiles, where the instruction set has them. */
  readonly shareOfVectorPeak?: number;
  readonly shareOfRead: number;
  /** The larger of the two: the least time that the ceiling that binds allows, over the time taken. Medians. */
  readonly ceilingShare: number;
  /** The same of the best times of both: what a machine of our own would show. */
  readonly bestShare: number;
  readonly bound: 'compute' | 'memory';
  readonly peer?: boolean;
  /** What a whole step is made of, longest first. */
  readonly operatorTimes?: readonly OperatorTime[];
}

/** Operations or bytes a second, as measured in a run. */
export interface Rate {
  readonly median: number;
  readonly best: number;
}

/** A sample shorter than this says more about the clock and the call than about the kernel. */
const sampleSeconds = 0.001;

export class Meter implements Disposable {
  readonly #backend: CpuBackend;
  readonly #repeats: number;
  readonly #clock: ClockName;
  readonly #hasVectorPeak: boolean;
  readonly #contenders = new Map<Ceiling, CeilingContender>();
  readonly #rates = new Map<Ceiling, number[]>();

  constructor(backend: CpuBackend, { repeats, clock }: { repeats: number; clock: ClockName }) {
    this.#backend = backend;
    this.#hasVectorPeak = vectorSet(backend.isa) !== undefined;
    this.#clock = clock;
    this.#repeats = repeats;
  }

  /** Times cases in turn, each round with the ceilings they are held against. */
  measure(cases: readonly KernelCase[]): KernelFigure[] {
    const wanted = cases.flatMap(({ arithmetic }): Ceiling[] =>
      arithmetic === 'int8' && this.#hasVectorPeak ? ['int8', 'int8Vector'] : arithmetic ? [arithmetic] : [],
    );
    const timed = cases.map((one, index) => ({ one, ...repeated(one, `case ${index}`, this.#clock) }));
    const contenders = timed.map(({ contender }) => contender);
    const { samples, rates } = this.#inTurn(['read', ...wanted], contenders);
    return timed.map(({ one, calls, contender }) => {
      const times = samples.get(contender.name)!.map((seconds) => seconds / calls);
      const shown = figure(one, {
        times,
        read: rates.get('read')!,
        peak: one.arithmetic && rates.get(one.arithmetic),
        vectorPeak: one.arithmetic === 'int8' ? rates.get('int8Vector') : undefined,
      });
      const operatorTimes = one.operatorTimes?.(this.#repeats);
      return operatorTimes ? { ...shown, operatorTimes } : shown;
    });
  }

  /** Measures ceilings for what runs outside. */
  measureCeilings(...ceilings: Ceiling[]): void {
    this.#inTurn(ceilings, []);
  }

  /** A figure of what ran outside, such as another library, against the ceilings measured so far. */
  outside(one: CaseFacts, times: readonly number[]): KernelFigure {
    const ceilings = this.ceilings;
    const peak = one.arithmetic && ceilings.get(one.arithmetic);
    return { ...figure(one, { times, read: ceilings.get('read')!, peak }), peer: true };
  }

  /** Over the whole run so far. */
  get ceilings(): ReadonlyMap<Ceiling, Rate> {
    return new Map([...this.#rates].map(([ceiling, seen]) => [ceiling, rateOf(seen)]));
  }

  /** Contenders in turn with ceilings, whose rates are kept. */
  #inTurn(wanted: readonly Ceiling[], contenders: readonly Contender[]) {
    const ceilings = [...new Set(wanted)].map((ceiling) => {
      return { ceiling, contender: this.#contender(ceiling) };
    });
    const samples = samplesInTurn([...ceilings.map(({ contender }) => contender), ...contenders], {
      rounds: this.#repeats,
      seconds: Number.POSITIVE_INFINITY,
      clock: this.#clock,
    });
    const rates = new Map<Ceiling, Rate>();
    for (const { ceiling, contender } of ceilings) {
      const seen = samples.get(contender.name)!.map((seconds) => contender.amount / seconds);
      rates.set(ceiling, rateOf(seen));
      this.#rates.set(ceiling, [...(this.#rates.get(ceiling) ?? []), ...seen]);
    }
    return { samples, rates };
  }

  #contender(ceiling: Ceiling): CeilingContender {
    const contender = this.#contenders.get(ceiling) ?? ceilingContender(this.#backend, ceiling);
    this.#contenders.set(ceiling, contender);
    return contender;
  }

  [Symbol.dispose](): void {
    for (const contender of this.#contenders.values()) contender[Symbol.dispose]();
  }
}

/** Runs so many calls a sample that the sample is long enough. */
function repeated(
  { run }: KernelCase,
  name: string,
  clock: ClockName,
): { calls: number; contender: Contender } {
  run();
  const seconds = Math.max(secondsOf(run, clock), 1e-6);
  const calls = Math.ceil(Math.min(Math.max(sampleSeconds / seconds, 1), 10_000));
  return {
    calls,
    contender: {
      name,
      run() {
        for (let call = 0; call < calls; call++) run();
      },
    },
  };
}

function rateOf(seen: readonly number[]): Rate {
  return { median: median(seen), best: Math.max(...seen) };
}

function figure(
  { operator, shape, rows, operations, bytes }: CaseFacts,
  {
    times,
    read,
    peak,
    vectorPeak,
  }: { times: readonly number[]; read: Rate; peak: Rate | undefined; vectorPeak?: Rate | undefined },
): KernelFigure {
  const seconds = median(times);
  const leastSeconds = Math.min(...times);
  const shareOfRead = bytes / seconds / read.median;
  const shareOfPeak = peak && operations / seconds / peak.median;
  const bestOfPeak = peak ? operations / leastSeconds / peak.best : 0;
  return {
    operator,
    shape,
    rows,
    seconds,
    leastSeconds,
    gops: operations / seconds / 1e9,
    gigabytesPerSecond: bytes / seconds / 1e9,
    ...(shareOfPeak !== undefined && { shareOfPeak }),
    ...(vectorPeak && { shareOfVectorPeak: operations / seconds / vectorPeak.median }),
    shareOfRead,
    ceilingShare: Math.max(shareOfRead, shareOfPeak ?? 0),
    bestShare: Math.max(bytes / leastSeconds / read.best, bestOfPeak),
    bound: (shareOfPeak ?? 0) > shareOfRead ? 'compute' : 'memory',
  };
}
