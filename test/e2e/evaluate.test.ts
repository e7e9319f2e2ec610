// `atom eval`: tasks and data sets from a folder, several models side by side, the table and the JSON.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { Evaluation } from '../../src/evaluate/evaluate.ts';
import { parseReport } from '../../src/report/report-file.ts';
import type { CompareReport } from '../../src/report/types.ts';
import { runAtom } from './run-atom.ts';

const root = resolve(import.meta.dirname, '../..');
const model = join(root, 'models/tiny-classics');
const twin = join(root, 'models/tiny-classics-outliers');
const scratch = mkdtempSync(join(tmpdir(), 'atom-eval-'));
afterAll(() => rmSync(scratch, { recursive: true }));

/** Our rows of every task, and as wikitext2 lines of the demo model's text. */
const data = join(scratch, 'data');
cpSync(join(root, 'test/evaluate/fixtures'), data, { recursive: true });
cpSync(join(data, 'arc.parquet'), join(data, 'arc_easy/test-00000-of-00001.parquet'));
cpSync(join(data, 'piqa.jsonl'), join(data, 'piqa/train.jsonl'));
mkdirSync(join(data, 'wikitext2'));
const lines = readFileSync(join(model, 'test.txt'), 'utf8').slice(0, 12_000).split('\n');
writeFileSync(
  join(data, 'wikitext2/test.jsonl'),
  lines.map((text) => `${JSON.stringify({ text })}\n`).join(''),
);

const options = ['--data', data, '--compute', 'f32'];

test('tasks and texts of one model, as JSON and as a table', async () => {
  const output = join(scratch, 'one.json');
  const measures = ['--tasks', 'piqa,arc_easy,boolq', '--dataset', 'wikitext2', '--window', '256'];
  const json = await runAtom(['eval', model, ...measures, ...options, '--json', '-o', output]);
  expect(json.stderr).toBe('');
  const result = JSON.parse(json.stdout) as Evaluation & { perplexity: number };
  expect(JSON.parse(readFileSync(output, 'utf8'))).toEqual(result);
  expect(result.tasks.map(({ task, questions }) => [task, questions])).toEqual([
    ['piqa', 4],
    ['arc_easy', 3],
    ['boolq', 3],
  ]);
  for (const { metrics } of result.tasks) {
    expect(Object.values(metrics).every(({ value }) => value >= 0 && value <= 1)).toBe(true);
  }
  const [text] = result.texts;
  expect(text!.tokens).toBe(text!.windows * 255);
  expect(result.perplexity).toBe(text!.perplexity);
  const [low, high] = text!.interval;
  expect([low < text!.perplexity, text!.perplexity < high]).toEqual([true, true]);

  const table = await runAtom(['eval', model, ...measures, ...options]);
  expect(table.stdout).toContain(text!.perplexity.toFixed(4));
  expect(table.stdout).toMatch(/^piqa acc {2,}\d+\.\d\d ± \d+\.\d\d %$/m);
  expect(table.stdout).toContain('boolq: 3 questions');
});

test('models side by side: the twin with outliers computes what the plain one does', async () => {
  const measures = ['--dataset', 'wikitext2', '--window', '128', '--tasks', 'piqa', '--num-fewshot', '1'];
  const drawn = join(scratch, 'pages', 'twins');
  const args = ['eval', '--compare', model, twin, ...measures, '--limit', '2', '--report', drawn];
  const { status, stdout } = await runAtom([...args, ...options, '--json']);
  expect(status).toBe(0);
  const { models } = JSON.parse(stdout) as {
    models: (Evaluation & { model: string; changes: { ratio: number }[] })[];
  };
  expect(models.map((each) => each.model)).toEqual([model, twin]);
  expect(models[0]!.tasks[0]).toMatchObject({ questions: 2, fewShot: 1 });
  expect(models[1]!.changes[0]!.ratio).toBeCloseTo(1, 5);
  expect(models[1]!.tasks[0]!.metrics).toEqual(models[0]!.tasks[0]!.metrics);
  const report = parseReport(readFileSync(`${drawn}.json`, 'utf8')) as CompareReport;
  expect(report.checkpoints.map(({ name }) => name)).toEqual(['tiny-classics', 'tiny-classics-outliers']);
  expect(report.checkpoints[1]).toMatchObject({
    bitsPerWeight: expect.closeTo(16, 0),
    perplexities: [{ text: 'wikitext2', change: { ratio: expect.closeTo(1, 5) } }],
  });
  expect(report.checkpoints[0]!.tasks[0]).toMatchObject({ task: 'piqa, 1 shot', chance: 0.5 });
  expect(readFileSync(`${drawn}.html`, 'utf8')).toContain('tiny-classics beside tiny-classics-outliers');
  const table = await runAtom([
    'eval',
    model,
    '--compare',
    twin,
    '--tasks',
    'piqa',
    '--limit',
    '2',
    ...options,
  ]);
  expect(table.stdout).toMatch(/^ +tiny-classics +tiny-classics-outliers$/m);
});

test('a limit is a number of windows too, and a stride gives every window context', async () => {
  const args = ['eval', model, '--ppl', '--window', '256', '--stride', '64', '--limit', '3', '--json'];
  const { stdout } = await runAtom([...args, '--compute', 'f32']);
  expect(JSON.parse(stdout)).toMatchObject({ windows: 3, tokens: 255 + 2 * 64 });
});

test.each([
  ['nothing to measure', [model], 2, /--ppl, --tasks NAMES or --ablation/],
  ['no model', ['--ppl'], 2, /name a model/],
  ['an unknown task', [model, '--tasks', 'piqua'], 2, /no task piqua; the tasks are piqa/],
  ['an unknown data set', [model, '--dataset', 'wikitext3'], 2, /no data set wikitext3.*wikitext2, ptb, c4/],
  ['data that is not there', [model, '--tasks', 'hellaswag', '--data', scratch], 1, /no data of hellaswag/],
  [
    'a file that cannot be written',
    [model, '--tasks', 'piqa', ...options, '-o', join(scratch, 'no/x')],
    1,
    /no\/x/,
  ],
])('%s is one line and an exit code', async (_, args, status, message) => {
  const run = await runAtom(['eval', ...args]);
  expect([run.status, run.stdout, run.stderr]).toEqual([status, '', expect.stringMatching(message)]);
});
