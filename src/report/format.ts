// Numbers as people read them: thin spaces between thousands, a dash where there is no number.

export const missing = '–';
const thinSpace = '\u2009';
const noBreakSpace = '\u00a0';

export function fixed(value: number, decimals: number): string {
  if (value === Number.POSITIVE_INFINITY) return '∞';
  if (value === Number.NEGATIVE_INFINITY) return '−∞';
  if (!Number.isFinite(value)) return missing;
  if (Math.abs(value) >= 1e15) return value.toExponential(1).replace('e+', 'e');
  const [whole = '', fraction] = Math.abs(value).toFixed(decimals).split('.');
  const grouped = whole.length > 4 ? whole.replace(/\B(?=(\d{3})+$)/g, thinSpace) : whole;
  const isNegative = value < 0 && Number(value.toFixed(decimals)) !== 0;
  return `${isNegative ? '−' : ''}${grouped}${fraction === undefined ? '' : `.${fraction}`}`;
}

/** About three significant digits, never an exponent between 0.0001 and 1e15. */
export function significant(value: number, digits = 3): string {
  const size = Math.abs(value);
  if (size === 0 || !Number.isFinite(size)) return fixed(value, 0);
  if (size < 1e-4) return value.toExponential(1).replace('-', '−');
  const exponent = Math.floor(Math.log10(size));
  return fixed(value, Math.max(0, digits - 1 - exponent));
}

/** Perplexity: two decimals, fewer when it is large. */
export function perplexityText(value: number): string {
  return fixed(value, Math.abs(value) < 1000 ? 2 : 0);
}

/** Of a share: 0.034 -> '3.4 %'. */
export function percent(share: number, decimals = 1): string {
  if (!Number.isFinite(share)) return fixed(share, 0);
  return `${fixed(share * 100, Math.abs(share) >= 10 ? 0 : decimals)}${noBreakSpace}%`;
}

/** Signed, for differences: '+3.4 %'. */
export function percentChange(share: number): string {
  return Number.isFinite(share) && share >= 0 ? `+${percent(share)}` : percent(share);
}

/** Decimal units, as disks and hubs count. */
export function byteText(value: number): string {
  return withUnit(value, ['B', 'kB', 'MB', 'GB', 'TB']);
}

/** 1_100_000_000 -> '1.10 B'. */
export function countText(value: number): string {
  return withUnit(value, ['', 'K', 'M', 'B', 'T']);
}

function withUnit(value: number, units: readonly string[]): string {
  if (!Number.isFinite(value)) return fixed(value, 0);
  const power = Math.min(
    units.length - 1,
    Math.max(0, Math.floor(Math.log10(Math.abs(value) || 1) / 3 + 1e-9)),
  );
  const number = power === 0 ? fixed(value, 0) : significant(value / 1000 ** power);
  return units[power] === '' ? number : `${number}${noBreakSpace}${units[power]}`;
}

/** 84 ms, 12.3 s, 3 min 12 s, 2 h 14 min. */
export function durationText(seconds: number): string {
  if (!Number.isFinite(seconds)) return missing;
  if (seconds < 1) return `${fixed(seconds * 1000, 0)}${noBreakSpace}ms`;
  if (seconds < 60) return `${significant(seconds)}${noBreakSpace}s`;
  const [big, small, unit, subunit] = seconds < 3600 ? [60, 1, 'min', 's'] : [3600, 60, 'h', 'min'];
  const parts = Math.round(seconds / small);
  const perUnit = big / small;
  return [Math.floor(parts / perUnit), unit, parts % perUnit, subunit].join(noBreakSpace);
}

/** '2026-11-21T07:34:28Z' -> '21 November 2026, 07:34 UTC'; text that is no date stays as it is. */
export function dateText(date: string): string {
  const time = new Date(date);
  if (Number.isNaN(time.getTime())) return date;
  const day = time.toLocaleDateString('en-GB', {
    day: 'numeric',
    month: 'long',
    year: 'numeric',
    timeZone: 'UTC',
  });
  return `${day}, ${time.toISOString().slice(11, 16)} UTC`;
}

/** For the marks of an axis: 0.001, 25, 2k, 1.5M. */
export function tickText(value: number): string {
  const size = Math.abs(value);
  if (size === 0) return '0';
  if (size >= 1e15 || size < 1e-4) return value.toExponential(0).replace('e+', 'e').replaceAll('-', '−');
  for (const [unit, name] of [
    [1e12, 'T'],
    [1e9, 'G'],
    [1e6, 'M'],
    [1e4, 'k'],
  ] as const) {
    const divisor = name === 'k' ? 1e3 : unit;
    if (size >= unit) return `${plainNumber(value / divisor)}${name}`;
  }
  return plainNumber(value);
}

function plainNumber(value: number): string {
  return String(Number(value.toPrecision(4))).replace('-', '−');
}
