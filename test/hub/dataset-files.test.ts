// Where data sets are found: copies on disk in their usual forms, and the Hub's Parquet branch.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { readTaskRows } from '../../src/evaluate/task-rows.ts';
import { taskNamed } from '../../src/evaluate/tasks/tasks.ts';
import { datasetFiles } from '../../src/hub/dataset-files.ts';
import { openHub } from '../../src/hub/hub.ts';
import { readTextDataset, textDatasetNamed } from '../../src/hub/text-datasets.ts';
import { readCalibrationText } from '../../src/quantize/calibration-text.ts';
import { startHubServer } from './hub-server.ts';

const fixtures = join(import.meta.dirname, '../evaluate/fixtures');
const scratch = mkdtempSync(join(tmpdir(), 'atom-datasets-'));
afterAll(() => rmSync(scratch, { recursive: true }));

let folders = 0;

/** A folder with these files, empty where no content is given. */
function folderWith(files: readonly string[] | Record<string, string | Buffer>): string {
  const folder = join(scratch, String(folders++));
  const entries = Array.isArray(files) ? files.map((path) => [path, ''] as const) : Object.entries(files);
  for (const [path, content] of entries) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
  return folder;
}

const nowhere = () =>
  openHub({ endpoint: 'http://127.0.0.1:9', cache: join(scratch, 'cache'), retryDelay: 1 });
const piqa = { name: 'piqa', id: 'ybisk/piqa', config: 'plain_text', split: 'validation', main: true };

describe('in a folder', () => {
  test.each([
    ['by task and split', ['piqa/train.jsonl', 'piqa/validation.jsonl'], ['piqa/validation.jsonl']],
    [
      'a copy of the repository',
      [
        'ybisk/piqa/plain_text/validation-00001-of-00002.parquet',
        'ybisk/piqa/plain_text/validation-00000-of-00002.parquet',
      ],
      [
        'ybisk/piqa/plain_text/validation-00000-of-00002.parquet',
        'ybisk/piqa/plain_text/validation-00001-of-00002.parquet',
      ],
    ],
    [
      'the Parquet branch',
      ['piqa/plain_text/validation/0000.parquet'],
      ['piqa/plain_text/validation/0000.parquet'],
    ],
    [
      'Parquet before JSON lines',
      ['piqa/validation.jsonl', 'piqa/validation.parquet'],
      ['piqa/validation.parquet'],
    ],
    ['a single file', ['piqa.jsonl', 'boolq.jsonl'], ['piqa.jsonl']],
  ])('%s', async (_, files, expected) => {
    const folder = folderWith(files);
    const found = await datasetFiles(piqa, { hub: nowhere(), folder });
    expect(found).toEqual(expected.map((path) => join(folder, path)));
  });

  test('a split that is not there is refused, also when only the scored one is', async () => {
    const folder = folderWith(['piqa.jsonl', 'piqa/validation2.jsonl', 'piqa/README.md']);
    const training = datasetFiles({ ...piqa, split: 'train', main: false }, { hub: nowhere(), folder });
    await expect(training).rejects.toMatchObject({
      code: 'bad-dataset',
      message: expect.stringMatching(/no data of piqa, split train; expected .*piqa\/train\.jsonl/),
    });
  });

  test('rows come with their place, no more than wanted, and examples only for few-shot', async () => {
    const folder = join(scratch, 'rows');
    cpSync(join(fixtures, 'piqa.parquet'), join(folder, 'piqa/validation-0.parquet'));
    cpSync(join(fixtures, 'piqa.jsonl'), join(folder, 'piqa/train.jsonl'));
    const place = { hub: nowhere(), folder };
    const { rows, exampleRows } = await readTaskRows(taskNamed('piqa'), { place, fewShot: 0, limit: 3 });
    expect(rows).toHaveLength(3);
    expect(exampleRows).toEqual([]);
    expect(rows[2]!.place).toMatch(/validation-0\.parquet, row 3$/);
    expect(rows[0]!.index('label', 2)).toBe(0);
    const shots = await readTaskRows(taskNamed('piqa'), { place, fewShot: 1 });
    expect([shots.rows.length, shots.exampleRows.length]).toEqual([4, 4]);
  });
});

describe('on the Hub', () => {
  const converted = {
    commit: 'c'.repeat(40),
    files: { 'plain_text/validation/0000.parquet': readFileSync(join(fixtures, 'piqa.parquet')) },
  };
  const start = () =>
    startHubServer({
      'datasets/ybisk/piqa': {
        commit: 'd'.repeat(40),
        files: { 'piqa.py': 'old' },
        revisions: { 'refs/convert/parquet': converted },
      },
      'datasets/allenai/c4': {
        commit: 'e'.repeat(40),
        files: {
          'en/c4-train.00000-of-01024.json.gz': gzipSync(
            '{"text":"much to learn more from"}\n{"text":"more"}\n',
          ),
          'en/c4-validation.00000-of-00008.json.gz': gzipSync('{"text":"one"}\n{"text":"two"}\n'),
          'en/c4-validation.00001-of-00008.json.gz': gzipSync('{"text":"three"}\n'),
        },
      },
    });

  test('the Parquet branch is fetched once, and found again offline', async () => {
    await using server = await start();
    const cache = join(scratch, 'hub-cache');
    const hub = openHub({ endpoint: server.endpoint, cache, offline: false });
    const { rows } = await readTaskRows(taskNamed('piqa'), { place: { hub }, fewShot: 0 });
    expect(rows.map((row) => row.index('label', 2))).toEqual([0, 1, 1, 0]);
    await datasetFiles(piqa, { hub });
    expect(server.contents().filter((url) => url.includes('/resolve/'))).toEqual([
      `/datasets/ybisk/piqa/resolve/${'c'.repeat(40)}/plain_text/validation/0000.parquet`,
    ]);
    const offline = openHub({ endpoint: 'http://127.0.0.1:9', cache, offline: true });
    expect(await datasetFiles(piqa, { hub: offline })).toEqual(await datasetFiles(piqa, { hub }));
    await expect(datasetFiles({ ...piqa, split: 'train' }, { hub: offline })).rejects.toThrow(
      /HF_HUB_OFFLINE/,
    );
  });

  test('a split it does not have is refused', async () => {
    await using server = await start();
    const hub = openHub({ endpoint: server.endpoint, cache: join(scratch, 'other'), offline: false });
    const split = datasetFiles({ ...piqa, config: 'other' }, { hub });
    await expect(split).rejects.toMatchObject({
      code: 'model-not-found',
      message: expect.stringContaining('piqa at refs/convert/parquet, folder other/validation'),
    });
  });

  test('of C4 one file is fetched: the first of validation to score, the first of training to calibrate', async () => {
    await using server = await start();
    const place = { hub: openHub({ endpoint: server.endpoint, cache: join(scratch, 'c4'), offline: false }) };
    const c4 = textDatasetNamed('c4')!;
    expect(await readTextDataset(c4, { part: 'test', place })).toBe('one two');
    // Twenty characters of text for each token that is wanted, and whole documents.
    const calibration = (samples: number) =>
      readCalibrationText('c4', { hub: place.hub, samples, sequenceLength: 1 });
    expect(await calibration(2)).toBe('much to learn more from more');
    expect(await calibration(1)).toBe('much to learn more from');
    expect(server.contents()).toHaveLength(2);
  });
});

test('documents are joined as the literature joins them', async () => {
  const folder = folderWith({
    'wikitext2/test.jsonl': '{"text":""}\n{"text":" = Title = \\n"}\n{"text":" A line. \\n"}\n',
    'ptb.jsonl': '{"sentence":"no it was n\'t black monday"}\n{"sentence":"but"}\n',
  });
  const place = { hub: nowhere(), folder };
  const read = (name: string) => readTextDataset(textDatasetNamed(name)!, { part: 'test', place });
  expect(await read('wikitext2')).toBe('\n\n = Title = \n\n\n A line. \n');
  expect(await read('ptb')).toBe("no it was n't black monday\n\nbut");
  await expect(read('c4')).rejects.toMatchObject({ code: 'bad-dataset' });
});
