// Python's strftime for chat templates, in English whatever the machine's locale is.

const months = 'January February March April May June July August September October November December'.split(
  ' ',
);
const days = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ');

const two = (value: number) => String(value).padStart(2, '0');

const fields: Readonly<Record<string, (date: Date) => string>> = {
  Y: (date) => String(date.getFullYear()),
  y: (date) => two(date.getFullYear() % 100),
  m: (date) => two(date.getMonth() + 1),
  B: (date) => months[date.getMonth()]!,
  b: (date) => months[date.getMonth()]!.slice(0, 3),
  d: (date) => two(date.getDate()),
  e: (date) => String(date.getDate()).padStart(2),
  A: (date) => days[date.getDay()]!,
  a: (date) => days[date.getDay()]!.slice(0, 3),
  H: (date) => two(date.getHours()),
  I: (date) => two(date.getHours() % 12 || 12),
  p: (date) => (date.getHours() < 12 ? 'AM' : 'PM'),
  M: (date) => two(date.getMinutes()),
  S: (date) => two(date.getSeconds()),
  '%': () => '%',
};

/** `format` with its `%` fields filled from `date` in local time; an unknown field stays as it is. */
export function formatTime(date: Date, format: string): string {
  return format.replace(/%(-?)([A-Za-z%])/g, (field, bare: string, letter: string) => {
    const value = fields[letter]?.(date) ?? field;
    return bare === '-' && value !== field ? value.replace(/^[0 ](?=.)/, '') : value;
  });
}
