// The pages: whole, alone, and unmoved by whatever a measurement gave.
import { describe, expect, test } from 'vitest';
import { renderCompareReport } from '../../src/report/compare-report.ts';
import { renderLadderReport } from '../../src/report/ladder-report.ts';
import { renderQuantizationReport } from '../../src/report/quantization-report.ts';
import { parseReport, reportJson } from '../../src/report/report-file.ts';
import type { CompareReport, LadderReport, QuantizationReport } from '../../src/report/types.ts';
import { modelSized, provenance, sampleComparison, sampleLadder, sampleQuantization } from './samples.ts';

const small = { layers: 2, hidden: 64, intermediate: 160, outliers: 8 };
const ladder: LadderReport = {
  ...provenance,
  kind: 'ladder',
  model: modelSized(small),
  ladder: sampleLadder,
};

/** Elements that have no end tag. */
const empty = /^(meta|link|br|hr|img|input|path|line|rect|circle|use|col|wbr|!doctype)$/i;

/** Every element ends where it should, and none of what runs before it. */
function expectWellFormed(page: string): void {
  const open: string[] = [];
  const text = page.replace(/<(script|style)\b[^>]*>[\s\S]*?<\/\1>/g, '').replace(/<!--[\s\S]*?-->/g, '');
  for (const [, end, name, closed] of text.matchAll(/<(\/?)([a-z!][\w-]*)[^>]*?(\/?)>/gi)) {
    if (end) expect(open.pop()).toBe(name);
    else if (!closed && !empty.test(name!)) open.push(name!);
  }
  expect(open).toEqual([]);
}

const pages: [string, () => string][] = [
  ['one layer', () => renderQuantizationReport(sampleQuantization({ ...small, layers: 1 }))],
  ['eighty layers', () => renderQuantizationReport(sampleQuantization({ ...small, layers: 80 }))],
  ['the ladder', () => renderLadderReport(ladder)],
  ['a ladder without steps', () => renderLadderReport({ ...ladder, ladder: { ...sampleLadder, steps: [] } })],
  ['nothing measured', () => renderQuantizationReport(nothingMeasured())],
  ['numbers that are none', () => renderQuantizationReport(spoilt(sampleQuantization(small)))],
  ['four checkpoints', () => renderCompareReport(sampleComparison())],
  ['a checkpoint alone', () => renderCompareReport(comparisonOf(sampleComparison().checkpoints.slice(0, 1)))],
  ['no checkpoint', () => renderCompareReport(comparisonOf([]))],
  ['checkpoints of which one measured nothing', () => renderCompareReport(partlyMeasured())],
  ['checkpoints with numbers that are none', () => renderCompareReport(spoilt(sampleComparison()))],
];

function comparisonOf(checkpoints: CompareReport['checkpoints']): CompareReport {
  return { ...sampleComparison(), checkpoints };
}

function partlyMeasured(): CompareReport {
  const [first, second] = sampleComparison().checkpoints;
  return comparisonOf([first!, { ...second!, perplexities: [], tasks: [] }]);
}

function nothingMeasured(): QuantizationReport {
  return { ...sampleQuantization(small), layers: [], stages: [], channels: [], histograms: [] };
}

/** The same report with every other measured number spoilt. */
function spoilt<Any extends QuantizationReport | CompareReport>(report: Any): Any {
  const bad = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -1, 0, 1e300];
  const places = new Set(['index', 'layer']);
  let count = 0;
  const spoil = (value: unknown): unknown => {
    if (typeof value === 'number') return count++ % 2 === 0 ? bad[count % bad.length] : value;
    if (Array.isArray(value)) return value.map(spoil);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, part]) => [key, places.has(key) ? part : spoil(part)]),
    );
  };
  return spoil(report) as Any;
}

describe.each(pages)('%s', (_, render) => {
  test('is a whole page that asks for nothing from outside', () => {
    const page = render();
    expect(page).toMatch(/^<!doctype html>/i);
    expectWellFormed(page);
    expect(page).not.toMatch(/(src|href)=["']?(https?:)?\/\//i);
    expect(page).not.toMatch(/@import|url\(\s*["']?https?:/i);
    // A number that is none is shown as a dash; in a drawing it would be an error of the browser's.
    expect(/\b(NaN|Infinity|undefined)\b/.exec(page)?.[0]).toBeUndefined();
  });
});

test('names and commands are text, whatever they contain', () => {
  const hostile = '<img src=x onerror=alert(1)>"&\'';
  const report = { ...sampleQuantization(small), title: hostile, command: `atom quantize '${hostile}'` };
  const page = renderQuantizationReport({ ...report, model: { ...report.model, name: hostile } });
  expect(page).not.toContain('<img src=x');
  expect(page).toContain('&lt;img src=x');
  expectWellFormed(page);
});

describe('checkpoints side by side', () => {
  const page = renderCompareReport(sampleComparison());

  test('have a spot each on every text and task, where their figures say', () => {
    const { checkpoints } = sampleComparison();
    const spots = page.match(/<div class="spot [^"]*"/g)!;
    // Two texts and six tasks for all, two changes for all but the first.
    expect(spots).toHaveLength(checkpoints.length * 8 + (checkpoints.length - 1) * 2);
    // 59.1 % of winogrande lies where the marks of its axis say.
    const winogrande = page.slice(page.indexOf('<h3>winogrande'));
    const [, place] = /<i style="left:([\d.]+)%">/.exec(winogrande)!;
    const marks = [...winogrande.matchAll(/<span style="left:([\d.]+)%">(\d+)</g)].slice(0, 2);
    const [from, to] = marks.map(([, left, mark]) => ({ left: Number(left), mark: Number(mark) }));
    const expected = from!.left + ((59.1 - from!.mark) / (to!.mark - from!.mark)) * (to!.left - from!.left);
    expect(Number(place)).toBeCloseTo(expected, 1);
  });

  test('are in numbers too: changes, sizes, bits, scores with their errors', () => {
    for (const text of ['+4.6', '742', '5.40', '72.20 ± 1.03', 'WikiText-2']) expect(page).toContain(text);
  });

  test('put spots in the order of their values', () => {
    const rows = page.slice(page.indexOf('<h3>WikiText-2'), page.indexOf('<h3>C4'));
    const places = [...rows.matchAll(/<i style="left:([\d.]+)%">/g)].map(([, place]) => Number(place));
    expect(places).toHaveLength(4);
    expect([...places].sort((a, b) => a - b)).toEqual(places);
  });
});

test('JSON gives the report back, numbers that are none included', () => {
  const report = spoilt(sampleQuantization(small));
  const read = parseReport(reportJson(report)) as QuantizationReport;
  expect(read.kind).toBe('quantization');
  expect(read.layers).toHaveLength(report.layers.length);
  expect(renderQuantizationReport(read)).toContain('</html>');
  expect(() => parseReport('{"kind":"poem"}')).toThrowError(/kind/);
  expect(() => parseReport('<html>')).toThrowError(/must be JSON/);
});
