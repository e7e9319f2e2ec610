// docs/results.md is what its JSON gives, to the byte; a file that does not say what it must is refused by file and field.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { documentsOf } from '../../src/report/results/documents.ts';
import { type Goal, goalTable, least } from '../../src/report/results/goals.ts';
import { withHeadlines } from '../../src/report/results/headlines.ts';
import { parseResult, resultText } from '../../src/report/results/result-file.ts';

const root = resolve(import.meta.dirname, '../..');
const folder = join(root, 'results');
const files = readdirSync(folder).sort();
const textOf = (file: string) => readFileSync(join(folder, file), 'utf8');
const committed = files.map((file) => parseResult(textOf(file), file));

describe('the page', () => {
  test('is what the committed results give, and nothing lies beside it', () => {
    const documents = documentsOf(committed);
    for (const [path, text] of documents) {
      expect(existsSync(join(root, 'docs', path)), `${path}: run npm run results`).toBe(true);
      expect(readFileSync(join(root, 'docs', path), 'utf8'), `${path}: run npm run results`).toBe(text);
    }
    const drawn = readdirSync(join(root, 'docs/images/results')).map((name) => `images/results/${name}`);
    expect(drawn.sort()).toEqual([...documents.keys()].filter((path) => path.endsWith('.svg')).sort());
  });

  test("and the README's figures are too", () => {
    const readme = readFileSync(join(root, 'README.md'), 'utf8');
    expect(withHeadlines(readme, committed), 'run npm run results').toBe(readme);
    expect(() => withHeadlines('# Atom', committed)).toThrowError(/README\.md has no place for figures/);
    // Short runs say nothing of speed.
    const short = committed.map((result) => ({ ...result, short: true }));
    expect(withHeadlines(readme, short)).not.toContain('tokens/s: cost');
    const full = committed.map((result) => ({ ...result, short: false }));
    for (const figure of [
      'tokens/s: cost',
      'of reading memory',
      'resident at most',
      '(46.86)',
      'the paper on a GPU',
    ])
      expect(withHeadlines(readme, full)).toContain(figure);
    expect(withHeadlines(readme, full)).not.toMatch(/\b(NaN|Infinity|undefined)\b/);
  });

  test('does not depend on the order of the files', () => {
    expect(documentsOf([...committed].reverse())).toEqual(documentsOf(committed));
  });

  test('shows every run there is, with its file, and no number that is none', async () => {
    const { runs } = await import(pathToFileURL(join(root, 'scripts/results/runs.js')).href);
    expect(committed.map(({ name }) => `${name}.json`)).toEqual(files);
    expect(committed.map(({ name }) => name).sort()).toEqual(Object.keys(runs).sort());
    const documents = documentsOf(committed);
    const page = documents.get('results.md')!;
    for (const { name, commit } of committed) {
      expect(page).toContain(`[results/${name}.json](../results/${name}.json)`);
      expect(page).toContain(`commit \`${commit}\``);
    }
    for (const text of documents.values()) expect(/\b(NaN|Infinity|undefined)\b/.exec(text)).toBeNull();
  });
});

describe('goals', () => {
  const goal: Goal = { what: 'speed', goal: 2.5, unit: 'times', measured: 2.6 };
  const rowOf = (change: Partial<Goal>) =>
    goalTable([{ ...goal, ...change }], { short: false })[0]
      ?.split('\n')
      .at(-1);

  test('are met or missed, and never look met when they are not', () => {
    expect(rowOf({})).toBe('| speed | ≥ 2.5x | 2.6x | met |');
    expect(rowOf({ measured: 2.4 })).toBe('| speed | ≥ 2.5x | 2.4x | **missed** |');
    expect(rowOf({ measured: 2.496 })).toBe('| speed | ≥ 2.500x | 2.496x | **missed** |');
    expect(rowOf({ measured: 2.5 })).toMatch(/ met \|$/);
    expect(rowOf({ atMost: true })).toBe('| speed | ≤ 2.5x | 2.6x | **missed** |');
    expect(rowOf({ unit: 'percent', goal: 0.001, measured: 0.00105, atMost: true })).toBe(
      '| speed | ≤ 0.100\u00a0% | 0.105\u00a0% | **missed** |',
    );
    expect(rowOf({ unit: 'percent', goal: 0.001, measured: 0.0003, atMost: true })).toBe(
      '| speed | ≤ 0.10\u00a0% | 0.03\u00a0% | met |',
    );
  });

  test('are not judged by short runs, nor by figures that are none', () => {
    expect(goalTable([goal], { short: true })).toEqual([]);
    expect(rowOf({ measured: Number.NaN })).toBeUndefined();
    expect(least([])).toBeNaN();
  });
});

describe('the sentences', () => {
  const full = (name: string) => {
    const text = textOf(`${name}.json`).replace('"short": true', '"short": false');
    return JSON.parse(text);
  };
  const pageOf = (...results: object[]) =>
    documentsOf(results.map((result) => parseResult(JSON.stringify(result), 'x'))).get('results.md')!;

  test("say whether the paper's ratios are passed, as quickly and with all that fits", () => {
    const result = full('compare-7b');
    const passing = { scheme: 'W4A4KV4', over: 'W16A16KV16', ratio: 7.73 };
    const reached = { most: 11.2, memory: 4.3e9, fits: 64, fitsOver: 8 };
    const missed = { most: 5.1 };
    const page = (passings: object[]) =>
      pageOf({ ...result, data: { ...result.data, comparison: { ...result.data.comparison, passings } } });
    expect(page([{ ...passing, ...reached, asQuick: missed }])).toMatch(
      /7\.73 times FP16 in the same memory, at the same latency, is \*\*not passed\*\* by W4A4KV4: at most 5\.10 times W16A16KV16.*\. With all that fit, .* it is \*\*passed\*\* by W4A4KV4 in memories up to 4\.30\u00a0GB \(there 64 sequences against 8\), and at most 11\.20 times/,
    );
    expect(page([{ ...passing, ...missed, asQuick: reached }])).toMatch(
      /at the same latency, is \*\*passed\*\* .* it is \*\*not passed\*\*/,
    );
    expect(pageOf({ ...result, short: true })).not.toMatch(/passed\*\*/);
  });

  test('name the set whose peak a ceiling is, and the share of vectors beside that of tiles', () => {
    const result = full('decoder');
    const { kernels, settings, ceilings } = result.data;
    const data = {
      ...result.data,
      kernels: kernels.map((figure: object) => ({ ...figure, shareOfVectorPeak: 2.25 })),
      settings: [
        ...settings.filter(({ label }: { label: string }) => label !== 'instruction set'),
        { label: 'instruction set', value: 'amx' },
        { label: 'vector set', value: 'avx512' },
      ],
      ceilings: { ...ceilings, int8Vector: ceilings.int8 },
    };
    const page = pageOf({ ...result, data });
    expect(page).toMatch(/int8 of amx [\d.]+ Tops\/s/);
    expect(page).toMatch(/int8 of avx512, which has no tiles, [\d.]+ Tops\/s/);
    expect(page).toContain("| of avx512's int8 peak |");
    expect(page).toMatch(/prompts: of the integer peak of vectors \| ≥ 80\.0\u00a0% \| 225\.0\u00a0% \| met/);
  });

  test('say where the time of a step goes, and nothing where it was not measured', () => {
    const result = full('decoder');
    const withTimes = (operatorTimes?: object[]) =>
      result.data.kernels.map(({ operatorTimes: _, ...figure }: { operatorTimes?: object }) => ({
        ...figure,
        ...(operatorTimes && { operatorTimes }),
      }));
    const times = [
      { operator: 'linear 2048 x 2560', seconds: 0.2 },
      { operator: 'linear 2048 x 32000', seconds: 0.3 },
      { operator: 'linear 2048 x 11264 with SiLU', seconds: 0.1 },
      { operator: 'attention', seconds: 0.3 },
      { operator: 'siluMul', seconds: 0.1 },
    ];
    const page = pageOf({ ...result, data: { ...result.data, kernels: withTimes(times) } });
    expect(page).toMatch(
      /\| 20\.0\u00a0% \| 50\.0\u00a0% \| 30\.0\u00a0% \| 0\.0\u00a0% \| 0\.0\u00a0% \| 0\.0\u00a0% \|/,
    );
    const without = pageOf({ ...result, data: { ...result.data, kernels: withTimes() } });
    expect(without).not.toContain('Where the time of a step goes');
  });

  test('name the machines, and what was not measured in full', () => {
    const http = full('http');
    const other = { ...http, name: 'other', machine: { ...http.machine, processor: 'Another' } };
    expect(pageOf(http)).toMatch(/All figures are of one machine: /);
    expect(pageOf(http, other)).toMatch(/Figures come from 2 machines[\s\S]*- Another, 2 cores .*: `other`/);
    expect(pageOf({ ...http, short: true })).toMatch(/Not measured in full yet[^\n]*: `http`/);
  });

  test("say which build of the peer ran, and judge W4A4 by the peer's formats", () => {
    const result = full('peers');
    const peer = { version: '3.22.1', build: 'sapphirerapids', features: ['SSE3', 'AMX_INT8'] };
    const page = pageOf({ ...result, data: { ...result.data, peer } });
    expect(page).toMatch(/it chose the one for sapphirerapids, with AMX_INT8\./);
    expect(page).toMatch(/prompts: W4A4KV4 over node-llama-cpp Q4_0 \| ≥ /);
    expect(
      pageOf(result, {
        ...full('peers-memory-7b'),
        data: {
          ...full('peers-memory').data,
          options: { shape: '7b', layers: '8', threads: '2', 'max-batch': '96' },
        },
      }),
    ).toMatch(/\*\*The shape 7b cut to 8 layers\.\*\* In .* \(at most 96 were tried\)/);
  });
});

describe('a file', () => {
  test.each(files)('%s reads and writes as the same bytes', (file) => {
    expect(resultText(parseResult(textOf(file), file))).toBe(textOf(file));
  });

  const http = JSON.parse(textOf('http.json'));
  const spoilt: [string, object, RegExp][] = [
    ['a figure of another type', { data: { ...http.data, cost: 'much' } }, /^http\.json: data\.cost: /],
    ['a figure left out', { data: { ...http.data, engine: undefined } }, /data\.engine: /],
    ['a kind that there is not', { kind: 'poem' }, /kind: /],
    ['no commit', { commit: '' }, /commit: /],
    ['no machine', { machine: undefined }, /machine: /],
    ['a date of words', { date: 'yesterday' }, /date: /],
  ];
  test.each(spoilt)('with %s is refused', (_, change, message) => {
    const text = JSON.stringify({ ...http, ...change });
    expect(() => parseResult(text, 'http.json')).toThrowError(
      expect.objectContaining({ code: 'bad-result', message: expect.stringMatching(message) }),
    );
  });

  test('that is no JSON is refused, and so are two of one name', () => {
    expect(() => parseResult('{', 'a.json')).toThrowError(/^a\.json is not JSON/);
    const [first] = committed;
    expect(() => documentsOf([first!, first!])).toThrowError(/two results are named/);
  });

  test('keeps figures that are none, and shows them as dashes', () => {
    const none = parseResult(JSON.stringify({ ...http, data: { ...http.data, loopDelayP99: null } }), 'x');
    expect(resultText(none)).toContain('"loopDelayP99": null');
    expect(documentsOf([none]).get('results.md')).toContain('| – |');
  });
});
