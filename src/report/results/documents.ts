// docs/results.md and its drawings, from the results that there are. The same files give the same bytes. Must not touch files.
import { AtomError } from '../../errors.ts';
import type { Part, Section } from './page-parts.ts';
import type { ResultFile, ResultOf } from './result-file.ts';
import { attentionSection } from './sections/attention.ts';
import { curveSection } from './sections/curves.ts';
import { httpSection } from './sections/http.ts';
import { kernelSection } from './sections/kernels.ts';
import { ladderSection } from './sections/ladder.ts';
import { overviewSection } from './sections/overview.ts';
import { peerSection } from './sections/peers.ts';
import { presetSection } from './sections/presets.ts';
import { quantizationSection } from './sections/quantization.ts';
import { conversationSection, prefixSection } from './sections/serving.ts';

const opening = `# Results

This page is written by \`npm run results\` from the files in [results/](../results), and never by hand: what a run measured
stands in one file with its commands, date, commit and machine. \`npm run results -- --run NAME\` measures one again
(\`--list\` names them). Figures differ between machines; compare ratios and shares of a ceiling, which were measured in one
run. [benchmarks.md](benchmarks.md) and [evaluation.md](evaluation.md) say how each is measured.`;

/** Path below docs/ -> content. Throws `bad-result` where two results are of one name. */
export function documentsOf(results: readonly ResultFile[]): Map<string, string> {
  const byName = [...results].sort((a, b) => (a.name < b.name ? -1 : 1));
  const twice = byName.find(({ name }, index) => byName[index + 1]?.name === name);
  if (twice) throw new AtomError('bad-result', `two results are named ${twice.name}; rename one`);
  const sections = byName.length === 0 ? [] : [overviewSection(byName), ...sectionsOf(byName)];
  const drawings = sections.flatMap(({ parts }) => parts).filter((part) => typeof part !== 'string');
  return new Map([
    ['results.md', `${[opening, ...sections.map(sectionText)].join('\n\n')}\n`],
    ...drawings.map(({ drawing, svg }) => [pathOf(drawing), svg] as const),
  ]);
}

function sectionsOf(results: readonly ResultFile[]): Section[] {
  const all = <Kind extends ResultFile['kind']>(kind: Kind) =>
    results.filter((result): result is ResultOf<Kind> => result.kind === kind);
  const ladders = all('ladder');
  const https = all('http');
  const peers = all('peers');
  const kernels = { kernels: all('kernels')[0], gemm: all('gemm')[0], decoder: all('decoder')[0] };
  return [
    ...all('curves').map(curveSection),
    ...(peers.length > 0 ? [peerSection(peers)] : []),
    ...(ladders.length > 0 ? [ladderSection(ladders)] : []),
    ...all('presets').map(presetSection),
    ...(Object.values(kernels).some(Boolean) ? [kernelSection(kernels)] : []),
    ...all('attention').map(attentionSection),
    ...all('conversations').map(conversationSection),
    ...all('prefix').map(prefixSection),
    ...(https.length > 0 ? [httpSection(https)] : []),
    ...all('quantization').map(quantizationSection),
  ];
}

const pathOf = (drawing: string): string => `images/results/${drawing}.svg`;

function sectionText({ heading, parts }: Section): string {
  return [`## ${heading}`, ...parts.map(partText)].join('\n\n');
}

function partText(part: Part): string {
  return typeof part === 'string' ? part : `![${part.title}](${pathOf(part.drawing)})`;
}
