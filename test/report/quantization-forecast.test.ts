// What quantizing is expected to take: the formulas against what was measured, and docs/quantization.md against the formulas.
// To write its table anew: ATOM_WRITE_DOCS=1 npm test -- test/report/quantization-forecast.test.ts
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { byteText } from '../../src/report/format.ts';
import { documentsOf } from '../../src/report/results/documents.ts';
import { forecasts, memoryOf, operationsOf, sizes } from '../../src/report/results/quantization-forecast.ts';
import { parseResult } from '../../src/report/results/result-file.ts';

const root = resolve(import.meta.dirname, '../..');
const sizeOf = (name: string) => sizes.find((each) => each.name === name)!;

test.each([
  ['1.1B', 2, 1.69e9],
  ['1.1B', 8, 1.73e9],
  ['1.1B', 32, 1.83e9],
  ['7B', 1, 4.65e9],
])('%s on %d samples of 512 tokens was seen to hold %d bytes', (name, samples, measured) => {
  expect(Math.abs(memoryOf(sizeOf(name), { tokens: samples * 512 }) / measured - 1)).toBeLessThan(0.07);
});

test('a layer costs what its products cost, and samples count but for rounding', () => {
  const small = sizeOf('1.1B');
  const perLayer = operationsOf(small, { layers: 2 }) - operationsOf(small, { layers: 1 });
  expect(operationsOf(small)).toBeCloseTo(operationsOf(small, { layers: 0 }) + 22 * perLayer, -6);
  // One pass over a layer's 44 million weights is two operations for each and token; there are 2.9 of them and some squares.
  expect(perLayer / (2 * 44_040_192 * 16_384)).toBeGreaterThan(2.9);
  expect(perLayer / (2 * 44_040_192 * 16_384)).toBeLessThan(4.5);
});

test('times are in the ratio of operations, and the page shows them for a full run of a known shape', () => {
  const [first, second] = forecasts({ name: '1.1B', layers: 22, seconds: 480 });
  expect(first).toMatchObject({ size: { name: '1.1B' }, seconds: expect.closeTo(480, 6) });
  expect(second!.seconds / 480).toBeCloseTo(operationsOf(sizeOf('7B')) / operationsOf(sizeOf('1.1B')), 6);
  expect(forecasts({ name: 'tiny', layers: 2, seconds: 1 })).toEqual([]);

  const committed = JSON.parse(readFileSync(join(root, 'results/quantize.json'), 'utf8'));
  const model = { ...committed.data.model, name: '1.1B', layers: 6 };
  const page = (short: boolean) => {
    const text = JSON.stringify({ ...committed, short, data: { ...committed.data, model, seconds: 140 } });
    return documentsOf([parseResult(text, 'quantize.json')]).get('results.md')!;
  };
  expect(page(false)).toMatch(/^\| 70B \| 80 \| 30\.1\sGB \| \d+\sh.* \|$/m);
  expect(page(true)).not.toContain('70B');
});

test('docs/quantization.md has the table', () => {
  const file = join(root, 'docs/quantization.md');
  const text = readFileSync(file, 'utf8');
  const rows = sizes.map((size) => {
    const work = (operationsOf(size) / operationsOf(sizeOf('1.1B'))).toPrecision(2);
    return `| ${size.name} | ${size.layers} | ${size.hidden} | ${byteText(memoryOf(size))} | ${Number(work)} |`;
  });
  const head = ['| model | layers | hidden | memory | operations, 1.1B as 1 |', '|---|---:|---:|---:|---:|'];
  const pattern = /(<!-- expected: [^\n]*-->\n)(.*?)(<!-- end of expected -->)/s;
  const table = `\n${[...head, ...rows].join('\n')}\n\n`;
  if (process.env.ATOM_WRITE_DOCS) {
    writeFileSync(
      file,
      text.replace(pattern, (_, begin, __, end) => begin + table + end),
    );
  } else expect(pattern.exec(text)?.[2]).toBe(table);
});
