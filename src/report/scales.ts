// From numbers to places: linear and logarithmic scales with round tick marks. Total: what is not finite or lies outside
// is placed at the nearest end, so that no drawing breaks on a bad number.

export interface Scale {
  readonly kind: 'linear' | 'log';
  readonly domain: readonly [low: number, high: number];
  /** Place of a value, always inside the range. */
  place(value: number): number;
  /** Round values inside the domain, ascending, about as many as asked for. */
  ticks(count: number): number[];
}

export type Interval = readonly [low: number, high: number];

/** Smallest and largest of the finite values; the fallback when there is none. */
export function extent(values: Iterable<number>, fallback: Interval = [0, 1]): Interval {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low > high ? fallback : [low, high];
}

export function positive(values: Iterable<number>): number[] {
  return [...values].filter((value) => value > 0 && Number.isFinite(value));
}

export function linearScale(domain: Interval, range: Interval): Scale {
  const [low, high] = widened(domain);
  const place = (value: number) => {
    const share = Number.isNaN(value) ? 0 : value / (high - low) - low / (high - low);
    return range[0] + clampShare(share) * (range[1] - range[0]);
  };
  const ticks = (count: number) => linearTicks(low, high, count);
  return { kind: 'linear', domain: [low, high], place, ticks };
}

/** The domain must be positive; what is not is replaced by the decade below the high end. */
export function logScale(domain: Interval, range: Interval): Scale {
  const high = domain[1] > 0 && Number.isFinite(domain[1]) ? domain[1] : 1;
  const low = domain[0] > 0 && domain[0] < high ? domain[0] : high / 10;
  const span = Math.log(high) - Math.log(low);
  const place = (value: number) => {
    const share = value > 0 ? (Math.log(value) - Math.log(low)) / span : 0;
    return range[0] + clampShare(share) * (range[1] - range[0]);
  };
  const ticks = (count: number) => logTicks(low, high, count);
  return { kind: 'log', domain: [low, high], place, ticks };
}

/** The interval widened outward to round values. */
export function rounded([low, high]: Interval, count = 5): Interval {
  const [from, to] = widened([low, high]);
  const step = tickStep(to - from, count);
  return [Math.floor(from / step + 1e-9) * step, Math.ceil(to / step - 1e-9) * step];
}

function clampShare(share: number): number {
  return Number.isNaN(share) ? 0 : Math.min(1, Math.max(0, share));
}

function widened([low, high]: Interval): Interval {
  if (!Number.isFinite(low) || !Number.isFinite(high) || !Number.isFinite(high - low)) return [0, 1];
  if (high > low) return [low, high];
  const margin = Math.abs(low) / 2 || 0.5;
  return [low - margin, low + margin];
}

/** 1, 2 or 5 times a power of ten. */
function tickStep(span: number, count: number): number {
  const raw = span / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(raw));
  const factor = [1, 2, 5, 10].find((candidate) => candidate * power >= raw * (1 - 1e-9)) ?? 10;
  return factor * power;
}

function linearTicks(low: number, high: number, count: number): number[] {
  const step = tickStep(high - low, count);
  const ticks: number[] = [];
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  for (let index = first; index <= last && ticks.length < 100; index++) {
    ticks.push(Number((index * step).toPrecision(12)));
  }
  return ticks;
}

function logTicks(low: number, high: number, count: number): number[] {
  const decades = Math.log10(high / low);
  if (decades < 0.7) return linearTicks(low, high, count);
  const factors = decades > count / 2 ? [1] : decades > count / 3 ? [1, 3] : [1, 2, 5];
  const stride = Math.max(1, Math.ceil(decades / count));
  const ticks: number[] = [];
  const lastPower = Math.floor(Math.log10(high) + 1e-9);
  for (let power = Math.floor(Math.log10(low)); power <= lastPower; power += 1) {
    if (power % stride !== 0) continue;
    for (const factor of factors) {
      const tick = Number((factor * 10 ** power).toPrecision(12));
      if (tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9)) ticks.push(tick);
    }
  }
  return ticks;
}
