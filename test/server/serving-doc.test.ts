// docs/serving.md says what the code says: its tables of options and metrics are made from it. To write them anew:
// ATOM_WRITE_DOCS=1 npm test -- test/server/serving-doc.test.ts
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { Metrics } from '../../src/server/metrics.ts';
import { optionFacts } from '../../src/server/options.ts';

const root = resolve(import.meta.dirname, '../..');
const file = join(root, 'docs/serving.md');

function expectSection(name: string, rows: readonly string[]): void {
  const text = readFileSync(file, 'utf8');
  const pattern = new RegExp(`(<!-- ${name}: [^\\n]*-->\\n)(.*?)(<!-- end of ${name} -->)`, 's');
  const expected = `\n${rows.join('\n')}\n\n`;
  if (process.env.ATOM_WRITE_DOCS)
    writeFileSync(
      file,
      text.replace(pattern, (_, head, __, end) => head + expected + end),
    );
  else expect(pattern.exec(text)?.[2]).toBe(expected);
}

test('every option with its variable, default and meaning', () => {
  const shown = (value: unknown) =>
    value === undefined || (Array.isArray(value) && value.length === 0) ? '' : `\`${value}\``;
  const rows = optionFacts.map(({ flag, value, variable, description, ...option }) => {
    const name = option.default === true ? flag.replace('--', '--no-') : flag;
    const meaning = option.default === true ? `do not ${description}` : description;
    const byDefault = value === undefined ? '' : shown(option.default);
    return `| \`${name}${value === undefined ? '' : ` ${value}`}\` | \`${variable}\` | ${byDefault} | ${meaning} |`;
  });
  expectSection('options', ['| flag | variable | default | meaning |', '|---|---|---|---|', ...rows]);
});

test('every metric with its kind and meaning', async () => {
  const { registry } = new Metrics({ modelName: 'm', rejections: () => ({}) });
  const own = (await registry.getMetricsAsJSON()).filter(({ name }) => !/^(process|nodejs)_/.test(name));
  const rows = own.map(({ name, type, help }) => `| \`${name}\` | ${type} | ${help} |`);
  expectSection('metrics', ['| metric | kind | meaning |', '|---|---|---|', ...rows]);
});
