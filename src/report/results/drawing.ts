// A drawing as an SVG file of its own, for pages that cannot style it: it brings its paper and its colours, light or dark
// as the reader's screen is. Places are pixels.
import { type Markup, markup, trusted } from '../markup.ts';
import { dark, light } from '../theme.ts';

export const width = 880;
export const margin = 24;
/** First free pixel below the title and the legend. */
export const top = 78;

export interface LegendEntry {
  readonly name: string;
  /** Class of theme.ts: c0 to c4, peer. */
  readonly colour: string;
  readonly dashed?: boolean;
}

export interface DrawingOptions {
  readonly title: string;
  /** What a reader who cannot see it is told. */
  readonly description: string;
  readonly height: number;
  readonly legend?: readonly LegendEntry[];
  readonly body: Markup | readonly Markup[];
}

const style = trusted(
  `:root {${light}\n} @media (prefers-color-scheme: dark) { :root {${dark}\n} }
text { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", Arial, sans-serif; fill: var(--soft); }
.paper { fill: var(--paper); stroke: var(--rule); }
.title { font-size: 15px; font-weight: 600; fill: var(--ink); } .strong { fill: var(--ink); } .heading { paint-order: stroke; stroke: var(--paper); stroke-width: 5px; } .end { text-anchor: end; } .mid { text-anchor: middle; }
.grid { stroke: var(--rule); } .base { stroke: var(--faint); }
.curve { fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linejoin: round; }
.dashed { stroke-dasharray: 5 4; } .dots { fill: none; stroke: currentColor; stroke-width: 7; stroke-linecap: round; }
.hollow { fill: var(--paper); stroke: currentColor; stroke-width: 1.6; } .bar { fill: currentColor; } .whisker { stroke: currentColor; stroke-width: 1.4; }
.c0 { color: var(--blue); } .c1 { color: var(--red); } .c2 { color: var(--green); } .c3 { color: var(--ochre); } .c4 { color: var(--violet); } .peer { color: var(--grey); }
`.replace(/\n {2}/g, ' '),
);

/** The whole file as text. */
export function drawing({ title, description, height, legend = [], body }: DrawingOptions): string {
  return markup`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${description}">
<style>${style}</style>
<rect class="paper" x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="6"/>
<text class="title" x="${margin}" y="32">${title}</text>
${legendRow(legend)}
${Array.isArray(body) ? body.map((part: Markup) => markup`${part}\n`) : markup`${body as Markup}\n`}</svg>
`.html;
}

/** About as wide as `text` is drawn. */
export function textWidth(text: string): number {
  return [...text].reduce((sum, letter) => sum + (/[A-Z0-9]/.test(letter) ? 7.7 : 6.3), 0);
}

function legendRow(entries: readonly LegendEntry[]): Markup {
  let x = margin;
  const drawn = entries.map(({ name, colour, dashed }) => {
    const at = x;
    x += 24 + textWidth(name) + 20;
    return markup`<path class="curve ${colour}${dashed ? ' dashed' : ''}" d="M${at} 50h18"/><text x="${at + 24}" y="54">${name}</text>`;
  });
  return markup`${drawn}`;
}
