// docs/results.md is what its JSON gives, to the byte; a file that does not say what it must is refused by file and field.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { documentsOf } from '../../src/report/results/documents.ts';
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
    for (const figure of ['tokens/s: cost', 'of the ceiling', 'times 16 bits', 'resident at most', '(46.86)'])
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
