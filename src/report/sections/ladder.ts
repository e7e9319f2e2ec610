// The ladder: each step's perplexity over the full-precision model's. Drawn twice, since the crude end may lie a hundred
// times as high as the fine one: all of it on a logarithmic scale, and the lower rungs on a linear one.
import { bar, barAxis } from '../bars.ts';
import { fixed, percentChange, perplexityText } from '../format.ts';
import { type Markup, markup, nothing } from '../markup.ts';
import { section } from '../page.ts';
import { extent, linearScale, logScale, positive } from '../scales.ts';
import type { Ladder, Rung } from '../types.ts';

/** The linear drawing ends where a rung has this many times the loss of the middle one. */
const zoomOverMedian = 2.5;

export function ladderSection({ baseline, steps, text }: Ladder): Markup {
  if (steps.length === 0) return nothing;
  const losses = steps.map((step) => step.perplexity - baseline.perplexity);
  const zoom = zoomEnd(losses);
  const values = positive([baseline.perplexity, ...steps.map((step) => step.perplexity)]);
  const [low, high] = extent(values);
  const whole = logScale([baseline.perplexity > 0 ? baseline.perplexity : low, high * 1.02], [0, 100]);
  const near = linearScale([0, zoom], [0, 100]);
  const wholeTicks = whole.ticks(3).filter((tick) => whole.place(tick) > 12);
  const nearTicks = near.ticks(5).filter((tick) => tick > 0);
  const best = Math.min(...losses.filter(Number.isFinite));

  const rows = steps.map((step, index) => {
    const loss = losses[index] ?? Number.NaN;
    const colour = loss === best ? 'c1' : 'c0';
    const tip = rungTip(step, baseline);
    return markup`<div><span class="name">${step.name}${step.note === undefined ? nothing : markup` <span class="note">${step.note}</span>`}</span><span class="num">${perplexityText(step.perplexity)}</span><span class="num note extra">${percentChange(loss / baseline.perplexity)}</span>${bar({ scale: whole, value: step.perplexity, colour, ticks: wholeTicks, tip })}${bar({ scale: near, value: loss, colour, ticks: nearTicks, tip, className: 'last' })}</div>`;
  });
  const head = markup`<div class="top"><span class="name note">Recipe</span><span class="num note">Perplexity</span><span class="num note extra">Loss</span><span class="note">All of it, log scale</span><span class="note last">Points over ${baseline.name}, linear</span></div>`;
  const axes = markup`<div><span class="name strong">${baseline.name}</span><span class="num strong">${perplexityText(baseline.perplexity)}</span><span class="extra"></span>${barAxis(whole, wholeTicks)}${barAxis(near, nearTicks, 'last')}</div>`;
  const reading = markup`Bars start at ${baseline.name}: no bar, no loss. ${steps.some((_, index) => (losses[index] ?? 0) > zoom) ? 'A pointed bar goes on beyond the scale. ' : ''}${text === undefined ? nothing : markup`Measured on ${text}.`}`;
  return section('What each step buys', ladderLede(baseline, steps), [
    markup`<figure><div class="rows two">${head}${rows}${axes}</div><figcaption>${reading}</figcaption></figure>`,
  ]);
}

function ladderLede(baseline: Rung, steps: readonly Rung[]): Markup {
  const finite = steps.filter((step) => Number.isFinite(step.perplexity));
  const first = steps[0];
  const best = finite.reduce<Rung | undefined>(
    (least, step) => (least === undefined || step.perplexity < least.perplexity ? step : least),
    undefined,
  );
  if (first === undefined || best === undefined || best === first) return nothing;
  const before = first.perplexity - baseline.perplexity;
  const after = best.perplexity - baseline.perplexity;
  return markup`${first.name} takes perplexity from ${perplexityText(baseline.perplexity)} to ${perplexityText(first.perplexity)}. The best recipe, <span class="red">${best.name}</span>, ends ${fixed(after, 2)} points over ${baseline.name}, ${percentChange(after / baseline.perplexity)}${before > after && after > 0 && Number.isFinite(before) ? `: ${fixed(before / after, before / after < 10 ? 1 : 0)} times less loss than at the start` : ''}.`;
}

function rungTip(step: Rung, baseline: Rung): string {
  const loss = step.perplexity - baseline.perplexity;
  return `${step.name}\nperplexity ${fixed(step.perplexity, 3)}, ${fixed(loss, 3)} points over ${baseline.name} (${percentChange(loss / baseline.perplexity)})`;
}

function zoomEnd(losses: readonly number[]): number {
  const sorted = positive(losses).sort((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)] ?? 1;
  const largest = sorted.at(-1) ?? 1;
  return Math.min(largest * 1.02, median * zoomOverMedian);
}
