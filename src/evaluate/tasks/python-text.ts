// Python's string methods where JavaScript's differ; the tasks' published scores were made with Python's.

/** What str.strip() takes for space: Unicode's White_Space and the separators U+001C to U+001F, but not U+FEFF. */
const space = '[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]';
const leading = new RegExp(`^${space}+`);
const trailing = new RegExp(`${space}+$`);

/** str.strip() */
export function strip(text: string): string {
  return text.replace(leading, '').replace(trailing, '');
}

/** What str.rstrip() would take off. */
export function trailingSpace(text: string): string {
  return trailing.exec(text)?.[0] ?? '';
}

/** str.capitalize(): the first character upper case, and all others lower case. */
export function capitalize(text: string): string {
  const [first = '', ...rest] = text;
  return first.toUpperCase() + rest.join('').toLowerCase();
}

/** len(): code points, not UTF-16 units. */
export function length(text: string): number {
  return [...text].length;
}
