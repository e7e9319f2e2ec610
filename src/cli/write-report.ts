// A report as two files: the page for people, and the numbers it was drawn from.
import { writeTextFile } from '../checkpoint/atomic-file.ts';
import { renderCompareReport } from '../report/compare-report.ts';
import { renderLadderReport } from '../report/ladder-report.ts';
import { renderQuantizationReport } from '../report/quantization-report.ts';
import { reportJson } from '../report/report-file.ts';
import type { CompareReport, LadderReport, QuantizationReport } from '../report/types.ts';

type Written = QuantizationReport | LadderReport | CompareReport;

/** Writes `path`.html and `path`.json. Throws `io`. */
export function writeReport(path: string, report: Written): void {
  writeTextFile(`${path}.html`, pageOf(report));
  writeTextFile(`${path}.json`, reportJson(report));
}

function pageOf(report: Written): string {
  switch (report.kind) {
    case 'quantization':
      return renderQuantizationReport(report);
    case 'ladder':
      return renderLadderReport(report);
    case 'compare':
      return renderCompareReport(report);
  }
}
