// How to make the report again: the exact command with a button that copies it, and the settings it stood for.
import { type Markup, markup, nothing } from '../markup.ts';
import { section } from '../page.ts';
import type { Fact } from '../types.ts';

export function commandSection(
  command: string,
  facts: readonly Fact[],
  lede = 'This command, run with the same version on the same files, gives the same result to the last bit.',
): Markup {
  const code = markup`<div class="command"><pre><code>${command}</code></pre><button type="button" data-copy="" hidden="">Copy</button></div>`;
  return section('To repeat it', lede, [code, factList(facts)]);
}

export function factList(facts: readonly Fact[]): Markup {
  if (facts.length === 0) return nothing;
  return markup`<dl class="facts">${facts.map(({ label, value }) => markup`<div><dt>${label}</dt><dd>${value}</dd></div>`)}</dl>`;
}
