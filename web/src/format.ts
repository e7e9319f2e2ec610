// Numbers as people read them. Pure; no page.

const grouped = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

/** `12,345` */
export const count = (value: number): string => grouped.format(value);

/** Two or three significant digits: `0.42`, `4.2`, `42.1`, `421`. */
export function quantity(value: number): string {
  const size = Math.abs(value);
  if (size === 0) return '0';
  if (size >= 100) return count(value);
  if (size >= 10) return value.toFixed(1).replace(/\.0$/, '');
  return value.toFixed(size >= 1 ? 1 : 2);
}

/** Seconds: `420 µs`, `12.3 ms`, `1.2 s`, `3 min`. */
export function duration(seconds: number): string {
  if (seconds >= 120) return `${quantity(Math.round(seconds / 60))} min`;
  if (seconds >= 1) return `${quantity(seconds)} s`;
  if (seconds >= 0.001) return `${quantity(seconds * 1000)} ms`;
  return seconds === 0 ? '0 ms' : `${quantity(seconds * 1e6)} µs`;
}

/** A share of 0 to 1: `7.3 %`, `100 %`. */
export const percent = (share: number): string => `${quantity(share * 100)} %`;

/** Seconds since a start: `42 s`, `5 min`, `3 h 12 min`, `4 d 3 h`. */
export function uptime(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  if (days > 0) return `${days} d ${hours % 24} h`;
  if (hours > 0) return `${hours} h ${minutes % 60} min`;
  return minutes > 0 ? `${minutes} min` : `${Math.floor(seconds)} s`;
}

/** A token's text with its white space made visible. */
export const visible = (text: string): string =>
  text.replaceAll(' ', '␣').replaceAll('\n', '↵').replaceAll('\t', '⇥').replaceAll('\r', '␍');
