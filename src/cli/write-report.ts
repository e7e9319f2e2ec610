// A report as two files: the page for people, and the numbers it was drawn from.
import { writeTextFile } from '../checkpoint/atomic-file.ts';
import { renderLadderReport } from '../report/ladder-report.ts';
import { renderQuantizationReport } from '../report/quantization-report.ts';
import { reportJson } from '../report/report-file.ts';
import type { LadderReport, QuantizationReport } from '../report/types.ts';

/** Writes `path`.html and `path`.json. Throws `io`. */
export function writeReport(path: string, report: QuantizationReport | LadderReport): void {
  const page = report.kind === 'ladder' ? renderLadderReport(report) : renderQuantizationReport(report);
  writeTextFile(`${path}.html`, page);
  writeTextFile(`${path}.json`, reportJson(report));
}
