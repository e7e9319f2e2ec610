import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { isDataFile, rowsOf } from '../../src/hub/rows.ts';

const fixtures = join(import.meta.dirname, '../evaluate/fixtures');
const scratch = mkdtempSync(join(tmpdir(), 'atom-rows-'));
afterAll(() => rmSync(scratch, { recursive: true }));

async function collect(file: string) {
  const rows = [];
  for await (const row of rowsOf(file)) rows.push(row);
  return rows;
}

const written = (name: string, content: string | Buffer) => {
  const file = join(scratch, name);
  writeFileSync(file, content);
  return file;
};

// Written by Apache Arrow: piqa with Snappy in two row groups and 64-bit labels, arc with Zstandard and nested lists.
test.each(['piqa', 'arc'])('the Parquet file of %s holds the rows of its JSON lines', async (name) => {
  const plain = (await collect(join(fixtures, `${name}.parquet`))).map((row) =>
    JSON.parse(JSON.stringify(row, (_, value) => (typeof value === 'bigint' ? Number(value) : value))),
  );
  expect(plain).toEqual(await collect(join(fixtures, `${name}.jsonl`)));
});

test('JSON lines may be compressed, have blank lines and Windows line ends, and be left early', async () => {
  const file = written('a.jsonl.gz', gzipSync('{"a":1}\r\n\r\n{"a":"ü"}\r\n'));
  expect(await collect(file)).toEqual([{ a: 1 }, { a: 'ü' }]);
  for await (const row of rowsOf(file)) {
    expect(row).toEqual({ a: 1 });
    break;
  }
});

describe('what cannot be read is refused with the file and the reason', () => {
  test.each([
    ['a missing file', () => join(scratch, 'none.jsonl'), 'io', /none\.jsonl.*ENOENT/],
    ['a missing Parquet file', () => join(scratch, 'none.parquet'), 'io', /none\.parquet.*ENOENT/],
    [
      'a line that is no JSON',
      () => written('b.jsonl', '{"a":1}\n{"a":\n'),
      'bad-dataset',
      /line 2 is not JSON/,
    ],
    [
      'a line that is no object',
      () => written('c.jsonl', '[1]\n'),
      'bad-dataset',
      /line 1 is not a JSON object/,
    ],
    ['broken gzip', () => written('d.jsonl.gz', gzipSync('{"a":1}\n').subarray(0, 12)), 'io', /d\.jsonl\.gz/],
    ['text that is no Parquet', () => written('e.parquet', 'x'.repeat(100)), 'bad-dataset', /e\.parquet/],
    [
      'a Parquet file cut short',
      () => {
        const file = join(scratch, 'f.parquet');
        cpSync(join(fixtures, 'piqa.parquet'), file);
        truncateSync(file, readFileSync(file).length - 5);
        return file;
      },
      'bad-dataset',
      /f\.parquet/,
    ],
  ])('%s', async (_, make, code, message) => {
    await expect(collect(make())).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });
});

test('knows by name what it can read', () => {
  const names = ['a.parquet', 'a.jsonl', 'a.json.gz', 'a.csv', 'README.md', 'a.arrow'];
  expect(names.filter(isDataFile)).toEqual(['a.parquet', 'a.jsonl', 'a.json.gz']);
});
