// The few figures that the README shows, between two marks of its own: what was measured in full, and the ladder. Short
// runs give none.
import { AtomError } from '../../errors.ts';
import { byteText, durationText, fixed, percent, percentChange, significant } from '../format.ts';
import { table } from './page-parts.ts';
import type { ResultFile, ResultOf } from './result-file.ts';

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

type Headline = readonly [what: string, figure: string];

function headlines(results: readonly ResultFile[]): string {
  const full = [...results].filter(({ short }) => !short).sort((a, b) => (a.name < b.name ? -1 : 1));
  const all = <Kind extends ResultFile['kind']>(kind: Kind) =>
    full.filter((result): result is ResultOf<Kind> => result.kind === kind);
  const rows: Headline[] = [
    ...all('presets').flatMap(servedModel),
    ...all('kernels').flatMap(products),
    ...all('decoder').flatMap(decoders),
    ...all('curves').flatMap(served),
    ...all('peers').flatMap(beside),
    ...all('http').map(throughHttp),
    ...all('quantization').map(quantized),
  ];
  const ladders = all('ladder');
  return [
    ...(rows.length > 0 ? [table(['what', 'figure'], rows, [1])] : []),
    ...(ladders.length > 0 ? [ladderTable(ladders)] : []),
  ].join('\n\n');
}

function servedModel({ data: { presets } }: ResultOf<'presets'>): Headline[] {
  const { simulated, executed } = presets.find(({ name }) => name === 'atom') ?? {};
  if (simulated === undefined || executed === undefined) return [];
  const { change, changeInterval, perplexity } = executed;
  const [low, high] = changeInterval.map((ratio) => percentChange(ratio - 1));
  return [
    [
      'perplexity of the bundled model in W4A4 KV4, in integer kernels',
      `${fixed(perplexity, 2)}, ${percentChange(change - 1)} (${low} to ${high}) over BF16; simulated in f32 ${fixed(simulated.perplexity, 2)}`,
    ],
  ];
}

function products({ data: { kernels, fusedQuantization } }: ResultOf<'kernels'>): Headline[] {
  const operators = ['linear W4A4', 'linear W16A16'].map((operator) =>
    kernels.filter((figure) => figure.operator === operator),
  );
  const [own, plain] = operators as [typeof kernels, typeof kernels];
  const times = (rows: number) => {
    const ratios = own
      .filter((figure) => figure.rows === rows)
      .flatMap(({ shape, seconds }) => {
        const other = plain.find((each) => each.shape === shape && each.rows === rows);
        return other ? [other.seconds / seconds] : [];
      });
    return `${fixed(mean(ratios), 1)} times BF16`;
  };
  const share = (rows: number) =>
    percent(mean(own.filter((figure) => figure.rows === rows).map((figure) => figure.ceilingShare)));
  const fused = fusedQuantization.map(
    ({ shape, rows, share: part }): Headline => [
      `reordering and quantizing, fused into the operators before: a ${shape.toUpperCase()} layer, ${rows} rows`,
      `${percent(part)} of the layer`,
    ],
  );
  return [
    [
      'W4A4 products of a 7B layer, shares of the ceiling measured in the same run: 128 rows, 16 rows, one row',
      `${share(128)} of the INT8 peak, ${times(128)}; ${share(16)}; ${share(1)} of reading memory, ${times(1)}`,
    ],
    ...fused,
  ];
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

function decoders({ data: { kernels } }: ResultOf<'decoder'>): Headline[] {
  const own = kernels.filter(({ operator }) => operator.includes('W4A4'));
  const cells = own.map(({ shape, rows, seconds, ceilingShare }) => {
    const what = shape.includes('prefill')
      ? `prompts of ${rows}`
      : rows === 1
        ? 'one sequence'
        : `${rows} sequences`;
    return `${what} ${significant(rows / seconds)} tokens/s (${percent(ceilingShare)} of the ceiling)`;
  });
  return [['a whole 1.1B decoder of random weights, W4A4 KV4', cells.join('; ')]];
}

function served({ data: { comparison } }: ResultOf<'curves'>): Headline[] {
  const { curve, inMemory } = comparison;
  const at = (scheme: string, batch: number) =>
    curve.find((point) => point.scheme === scheme && point.batch === batch)?.tokensPerSecond ?? Number.NaN;
  const batches = [...new Set(curve.map(({ batch }) => batch))].filter((batch) =>
    [1, 8, 16, 32].includes(batch),
  );
  const cells = batches.map((batch) => {
    const [own, plain] = [at('W4A4KV4', batch), at('W16A16KV16', batch)];
    return `${significant(own)} to ${significant(plain)} at ${batch}`;
  });
  const bars = ['W4A4KV4', 'W16A16KV16', 'W8A8KV8'].map((name) =>
    inMemory?.points.find(({ scheme }) => scheme === name),
  );
  const [own, plain, eight] = bars.map((bar) => bar?.tokensPerSecond ?? Number.NaN) as [
    number,
    number,
    number,
  ];
  const memory: Headline[] =
    inMemory === undefined
      ? []
      : [
          [
            `the same, each in ${byteText(inMemory.memory)} for weights and cache`,
            `${significant(own)} tokens/s: ${fixed(own / plain, 2)} times 16 bits, ${fixed(own / eight, 2)} times W8A8`,
          ],
        ];
  return [
    ['serving 1.1B, tokens/s of W4A4 KV4 to 16 bits, by sequences together', cells.join(', ')],
    ...memory,
  ];
}

function beside({ data: { prefill = [], byBatch } }: ResultOf<'peers'>): Headline[] {
  const groups = [
    { name: 'prompts', rows: prefill },
    ...[...new Set(byBatch.map(({ batch }) => batch))].map((batch) => ({
      name: batch === 1 ? 'one sequence' : `${batch} sequences`,
      rows: byBatch.filter((row) => row.batch === batch),
    })),
  ];
  const cells = groups.flatMap(({ name, rows }) => {
    const own = rows.find((row) => row.name === 'W4A4KV4')?.tokensPerSecond;
    const theirs = rows.filter((row) => row.name.startsWith('node-')).map((row) => row.tokensPerSecond);
    if (own === undefined || theirs.length === 0) return [];
    return [`${name} ${significant(own)} tokens/s, ${fixed(own / Math.max(...theirs), 1)} times`];
  });
  return cells.length === 0
    ? []
    : [['1.1B in W4A4 KV4 beside the best of node-llama-cpp (F16, Q8_0, Q4_0)', cells.join('; ')]];
}

function throughHttp({ title, data: { streams, threads, engine, http, cost } }: ResultOf<'http'>): Headline {
  return [
    `${streams} streams through HTTP against the engine alone (${title}, ${threads} kernel thread${threads === 1 ? '' : 's'})`,
    `${fixed(http, 0)} to ${fixed(engine, 0)} tokens/s: cost ${percent(cost)}`,
  ];
}

function quantized({ data: { model, layers, samples, peakMemory } }: ResultOf<'quantization'>): Headline {
  const perLayer = mean(layers.map(({ seconds }) => seconds));
  return [
    `quantizing a checkpoint of the shape ${model.name}, ${samples}`,
    `${durationText(perLayer)} a layer, ${byteText(peakMemory)} resident at most`,
  ];
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
