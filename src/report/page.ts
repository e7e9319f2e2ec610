// A report as one file: head, style, sections, script. A content policy in the head forbids every outside resource.
import { dateText, durationText } from './format.ts';
import { type Markup, markup, nothing } from './markup.ts';
import { script } from './script.ts';
import { theme } from './theme.ts';
import type { Provenance } from './types.ts';

const policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

/** The whole file as text. */
export function page(provenance: Provenance, body: readonly Markup[]): string {
  const { title, toolVersion, date, machine, seconds } = provenance;
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8" />
<meta http-equiv="Content-Security-Policy" content="${policy}" />
<meta name="viewport" content="width=device-width, initial-scale=1" />
<meta name="color-scheme" content="light dark" />
<title>${title}</title>
<style>${theme}</style>
</head>
<body>
<main>
${body.map((part) => markup`${part}\n`)}<footer>Atom for Node ${toolVersion}. Made on ${dateText(date)} in ${durationText(seconds)}. ${machine}</footer>
</main>
<script>${script}</script>
</body>
</html>
`.html;
}

/** One part of a report: a heading, what there is to see in a sentence or two, then the drawing. */
export function section(heading: string, lede: Markup | string, body: Markup | readonly Markup[]): Markup {
  return markup`<section>
<h2>${heading}</h2>
<p>${lede}</p>
${body}
</section>`;
}

/** A drawing with words under it. */
export function figure(drawing: Markup, caption?: Markup | string): Markup {
  return markup`<figure>${drawing}${caption === undefined ? nothing : markup`<figcaption>${caption}</figcaption>`}</figure>`;
}
