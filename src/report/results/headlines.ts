// The few figures that the README shows, between two marks of its own: the answers of the page's beginning, and the ladder.
// Short runs give none.
import { AtomError } from '../../errors.ts';
import { fixed } from '../format.ts';
import { table } from './page-parts.ts';
import type { ResultFile, ResultOf } from './result-file.ts';
import { machinesText } from './sections/overview.ts';
import { answers, inFull } from './summary.ts';

const begin = '<!-- figures of results/, written by npm run results -->';
const end = '<!-- end of figures -->';

/** The README with its figures made anew. Throws `bad-result` where it has no marks. */
export function withHeadlines(readme: string, results: readonly ResultFile[]): string {
  const [first, last] = [readme.indexOf(begin), readme.indexOf(end)];
  if (first < 0 || last < first) {
    throw new AtomError(
      'bad-result',
      `README.md has no place for figures; put ${begin} and ${end} where they go`,
    );
  }
  return `${readme.slice(0, first + begin.length)}\n\n${headlines(results)}\n\n${readme.slice(last)}`;
}

function headlines(results: readonly ResultFile[]): string {
  const byName = [...results].sort((a, b) => (a.name < b.name ? -1 : 1));
  const rows = answers(byName);
  const ladders = inFull(byName)('ladder');
  return [
    ...(rows.length > 0
      ? [
          table(['what', 'measured', 'beside it'], rows, [1, 2]),
          machinesText(byName.filter(({ short }) => !short)),
        ]
      : []),
    ...(ladders.length > 0 ? [ladderTable(ladders)] : []),
  ].join('\n\n');
}

/** In brackets what Atom's published code gives; of the steps beyond it only the last. */
function ladderTable(ladders: readonly ResultOf<'ladder'>[]): string {
  const steps = ladders[0]?.data.rows ?? [];
  const shown = steps.flatMap(({ name, golden }, index) =>
    golden !== undefined || index === steps.length - 1 ? [{ name, index }] : [],
  );
  const rows = shown.map(({ name, index }) => [
    name,
    ...ladders.map(({ data }) => {
      const { perplexity = Number.NaN, golden } = data.rows[index] ?? {};
      return golden === undefined
        ? `**${fixed(perplexity, 2)}**`
        : `${fixed(perplexity, 2)} (${fixed(golden, 2)})`;
    }),
  ]);
  return table(['perplexity, simulated, W4A4', ...ladders.map(({ data }) => data.model)], rows);
}
