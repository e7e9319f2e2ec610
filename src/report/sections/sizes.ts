// What became of the bytes: the checkpoint before and after as two bars on one scale, then part by part.
import { byteText, fixed, percent } from '../format.ts';
import { coordinate, type Markup, markup, nothing } from '../markup.ts';
import { section } from '../page.ts';
import type { Sizes } from '../types.ts';

/** Percent of the whole row below which a part is too narrow for its name. */
const namedFrom = 9;

export function sizeSection({ before, after, byPart }: Sizes): Markup {
  const longest = Math.max(...[before, after].filter(Number.isFinite), 1);
  const parts = byPart.map(({ part }) => part);
  const bars = markup`<figure>${stack(
    byPart.map((part) => part.before),
    parts,
    longest,
  )}<p class="note"><span class="strong">${byteText(before)}</span> before</p>${stack(
    byPart.map((part) => part.after),
    parts,
    longest,
  )}<p class="note"><span class="strong">${byteText(after)}</span> after</p></figure>`;
  const rows = byPart.map(
    (part) =>
      markup`<tr><td>${part.part}</td><td class="num">${byteText(part.before)}</td><td class="num">${byteText(part.after)}</td><td class="num">${percent(part.after / part.before, 0)}</td><td class="num hide-small">${percent(part.after / after, 0)}</td></tr>`,
  );
  const table = markup`<table><thead><tr><th>Part</th><th class="num">Before</th><th class="num">After</th><th class="num">Left</th><th class="num hide-small">Share of the new file</th></tr></thead><tbody>${rows}<tr><td class="total">Together</td><td class="num total">${byteText(before)}</td><td class="num total">${byteText(after)}</td><td class="num total">${percent(after / before, 0)}</td><td class="num total hide-small"></td></tr></tbody></table>`;
  return section(
    'What it weighs',
    markup`The checkpoint is ${fixed(before / after, 2)} times smaller.${largestPart(byPart, after)}`,
    [byPart.length === 0 ? nothing : bars, table],
  );
}

function largestPart(byPart: Sizes['byPart'], after: number): string {
  const largest = byPart.reduce<Sizes['byPart'][number] | undefined>(
    (most, part) => (most === undefined || part.after > most.after ? part : most),
    undefined,
  );
  if (largest === undefined || !(after > 0)) return '';
  return ` ${percent(largest.after / after, 0)} of what is left are ${largest.part}.`;
}

/** Parts from dark to pale, each as wide as its bytes. */
function stack(bytes: readonly number[], parts: readonly string[], whole: number): Markup {
  const boxes = bytes.map((size, index) => {
    const width = (Math.max(0, Number.isFinite(size) ? size : 0) / whole) * 100;
    if (width === 0) return nothing;
    const tone = Math.max(12, 92 - index * (78 / Math.max(3, parts.length - 1)));
    const name = parts[index] ?? '';
    return markup`<span class="c0${tone > 60 ? ' full' : ''}" style="width:${coordinate(width)}%;--tone:${coordinate(tone)}%" data-tip="${name}: ${byteText(size)}">${width >= namedFrom ? markup`<em>${name}</em>` : nothing}</span>`;
  });
  return markup`<div class="stack">${boxes}</div>`;
}
