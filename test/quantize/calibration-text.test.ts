import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { calibrationWindows, readCalibrationText } from '../../src/quantize/calibration-text.ts';

const scratch = mkdtempSync(join(tmpdir(), 'atom-calibration-'));
afterAll(() => rmSync(scratch, { recursive: true }));

function written(name: string, content: string): string {
  const file = join(scratch, name);
  writeFileSync(file, content);
  return file;
}

const windows = { samples: 1, sequenceLength: 16 };

test('a text file is read whole, a JSONL line by line', async () => {
  expect(await readCalibrationText(written('a.txt', 'one\ntwo'), windows)).toBe('one\ntwo');
  expect(
    await readCalibrationText(written('a.jsonl', '{"text":"one"}\n\n{"text":"two","id":3}\n'), windows),
  ).toBe('one\n\ntwo');
});

test('a missing file and a bad line are named', async () => {
  await expect(readCalibrationText(join(scratch, 'none.txt'), windows)).rejects.toThrowError(/none\.txt/);
  await expect(
    readCalibrationText(written('b.jsonl', '{"text":"one"}\n{"text"'), windows),
  ).rejects.toThrowError(/b\.jsonl:2 is not JSON/);
  await expect(readCalibrationText(written('c.jsonl', '{"body":"one"}'), windows)).rejects.toThrowError(
    /c\.jsonl:1 has no "text"/,
  );
});

test('windows do not overlap, and a text too short for one is refused', () => {
  const ids = Int32Array.from({ length: 10 }, (_, i) => i);
  expect(calibrationWindows(ids, { samples: 5, sequenceLength: 4 }).map((w) => [...w])).toEqual([
    [0, 1, 2, 3],
    [4, 5, 6, 7],
  ]);
  expect(() => calibrationWindows(ids, { samples: 1, sequenceLength: 11 })).toThrowError(/10 tokens/);
});
