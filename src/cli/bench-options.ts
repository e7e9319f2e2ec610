// What `bench serve`, `compare` and `prefix` have in common: which random models they measure, and on what.
import { type Command, Option } from 'commander';
import { chooseIsa, nativeAddon } from '../backend/cpu/native.ts';
import { LoadedScheme, type LoadOptions } from '../bench/loaded-scheme.ts';
import { randomModelFolder } from '../bench/random-model.ts';
import { type Scheme, schemeNamed, schemes } from '../bench/schemes.ts';
import { writeTextFile } from '../checkpoint/atomic-file.ts';
import { type RandomShape, randomShapes } from '../checkpoint/random-checkpoint.ts';
import { packageVersion } from '../package-version.ts';
import { reportJson } from '../report/report-file.ts';
import { renderServingReport } from '../report/serving-report.ts';
import type { BenchReport, Fact } from '../report/types.ts';
import { cacheFolder } from './cache-folder.ts';
import { list, positiveInteger } from './option-types.ts';
import { jsonOption, threadsOption, useThreads } from './shared-options.ts';

export interface ModelOptions {
  readonly shape?: RandomShape;
  readonly layers?: number;
  readonly schemes?: readonly string[];
  readonly threads?: number;
  readonly quick?: boolean;
  readonly json?: boolean;
}

export interface ReportOption {
  readonly report?: string;
}

export function withModelOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--shape <name>', 'random weights in this shape (default: 1.1b)').choices(
        Object.keys(randomShapes),
      ),
    )
    .option('--layers <n>', 'fewer layers than the shape has', positiveInteger)
    .option('--schemes <names>', 'of w16a16, w8a8, w4a16, w4a8, w4a4 (default: all)', list)
    .addOption(threadsOption())
    .option('--quick', 'the smallest shape for a second each: whether it works, not how fast')
    .addOption(jsonOption());
}

/** For benches whose figures are drawn. */
export function withReportOption(command: Command): Command {
  return command.option(
    '--report <path>',
    'write all figures to <path>.json and a page with plots to <path>.html',
  );
}

/** The models that were asked for; sets the number of threads. */
export function chosenModels(options: ModelOptions, limits: LoadOptions) {
  useThreads(options.threads);
  const shape = options.shape ?? (options.quick ? 'tiny' : '1.1b');
  const model = { shape, layers: options.layers };
  const keep = { cache: cacheFolder('bench'), toolVersion: packageVersion() };
  const load = (scheme: Scheme) => new LoadedScheme(scheme, randomModelFolder(scheme, model, keep), limits);
  return { ...model, schemes: options.schemes?.map(schemeNamed) ?? schemes, load };
}

/** Settings of a run, and what it ran on, for people. */
export function machineSettings(settings: object): Fact[] {
  const all = { 'instruction set': chooseIsa(), threads: nativeAddon().threadCount(), ...settings };
  return Object.entries(all)
    .filter(([, value]) => value !== undefined)
    .map(([label, value]) => ({ label, value: typeof value === 'string' ? value : JSON.stringify(value) }));
}

/** Prints a report, and writes its JSON and its page beside each other, as the options say. Throws `io`. */
export function deliver(
  report: BenchReport,
  { json, report: path }: Pick<ModelOptions, 'json'> & ReportOption,
): void {
  if (path !== undefined) {
    writeTextFile(`${path}.json`, reportJson(report));
    writeTextFile(`${path}.html`, renderServingReport(report));
  }
  if (json) process.stdout.write(reportJson(report));
}

/** Cells of a line of a table, each as wide as its heading. */
export function tableLine(widths: readonly number[], cells: readonly (string | number)[]): string {
  return cells
    .map((cell, i) => (i === 0 ? String(cell).padEnd(widths[i]!) : String(cell).padStart(widths[i]!)))
    .join('  ');
}
