// HTML and SVG as text that cannot be broken by what is put into it: the tag `markup` escapes every value that is not
// markup itself. Must not know what is drawn.

/** Text that is already HTML. Only `markup` and `trusted` make it. */
export interface Markup {
  readonly html: string;
}

/** Strings are escaped; numbers are coordinates (numbers for people go through format.ts); nothing is left out. */
export type Content = Markup | string | number | undefined | readonly Content[];

export function markup(strings: TemplateStringsArray, ...values: readonly Content[]): Markup {
  let html = strings[0] ?? '';
  for (const [index, value] of values.entries()) html += render(value) + (strings[index + 1] ?? '');
  return { html };
}

/** For text that is written in this room: styles and scripts. */
export function trusted(html: string): Markup {
  return { html };
}

export const nothing: Markup = { html: '' };

function render(content: Content): string {
  if (content === undefined) return '';
  if (typeof content === 'string') return escapeText(content);
  if (typeof content === 'number') return coordinate(content);
  if ('html' in content) return content.html;
  return content.map(render).join('');
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Safe in text and in quoted attributes. Characters that XML has no place for become U+FFFD. */
export function escapeText(text: string): string {
  return (
    text
      // Halves of pairs.
      .replace(/\p{Surrogate}/gu, '\ufffd')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones that must go
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\ufffe\uffff]/g, '\ufffd')
      .replace(/[&<>"']/g, (character) => entities[character] ?? character)
  );
}

/** At most two decimals, so that files stay small; 0 for what is no number, so that paths stay valid. */
export function coordinate(value: number): string {
  if (!Number.isFinite(value)) return '0';
  return String(Math.round(value * 100) / 100);
}
