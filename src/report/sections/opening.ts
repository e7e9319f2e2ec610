// The top of a report: what it is about in one line, then the figures that matter, large.
import { type Markup, markup, nothing } from '../markup.ts';
import type { KeyFigure } from '../types.ts';

export interface OpeningOptions {
  readonly kind: string;
  readonly title: string;
  readonly lede: Markup | string;
  readonly figures: readonly KeyFigure[];
}

export function opening({ kind, title, lede, figures }: OpeningOptions): Markup {
  const list = figures.map(
    ({ value, label, note }) =>
      markup`<div><dt>${label}</dt><dd class="value">${value}</dd>${note === undefined ? nothing : markup`<dd class="note">${note}</dd>`}</div>`,
  );
  return markup`<header>
<p class="kind">${kind}</p>
<h1>${title}</h1>
<p class="lede">${lede}</p>
${figures.length === 0 ? nothing : markup`<dl class="figures">${list}</dl>`}
</header>`;
}
