// `atom bench compare`: the paper's figure. Every scheme against the batch, and in the same memory.
import { Command } from 'commander';
import type { InMemory, MemoryPoint } from '../bench/compare.ts';
import { type Comparison, compare } from '../bench/comparison.ts';
import type { LoadedScheme } from '../bench/loaded-scheme.ts';
import type { Passing, Reach } from '../bench/memory-sweep.ts';
import { plainScheme } from '../bench/schemes.ts';
import type { BatchPoint } from '../bench/turns.ts';
import type { BenchReport } from '../report/types.ts';
import {
  chosenModels,
  deliver,
  type ModelOptions,
  machineSettings,
  type ReportOption,
  tableLine,
  withModelOptions,
  withReportOption,
} from './bench-options.ts';
import { bytes, list, numberBetween, positiveInteger } from './option-types.ts';
import { provenance } from './provenance.ts';
import { bytesOf } from './sizes.ts';

interface Options extends ModelOptions, ReportOption {
  readonly batches?: readonly number[];
  readonly memory?: number;
  readonly sequences: number;
  readonly prompt: number;
  readonly answer: number;
  readonly stepTokens?: number;
  readonly fitting?: boolean;
  readonly seconds?: number;
}

const batchList = (text: string) =>
  list(text)
    .map(positiveInteger)
    .sort((a, b) => a - b);

export function benchCompareCommand(): Command {
  const command = withModelOptions(
    new Command('compare')
      .description('throughput and latency of each scheme against the batch, and in the same memory')
      .option('--batches <list>', 'sequences that run together (default: 1,2,4,8,16,32,64)', batchList)
      .option('--memory <bytes>', 'to compare in (default: what --sequences needs)', bytes)
      .option(
        '--sequences <n>',
        'a memory that holds so many sequences beside the 16-bit weights',
        positiveInteger,
        8,
      )
      .option('--prompt <n>', 'tokens of each prompt', positiveInteger, 128)
      .option('--answer <n>', 'tokens of each answer', positiveInteger, 384)
      .option('--step-tokens <n>', 'tokens of a step, prompts and answers together', positiveInteger)
      .option('--fitting', 'of each scheme no more sequences than the compared memory holds')
      .option(
        '--seconds <n>',
        'seconds measured per scheme and batch (default: 4)',
        numberBetween(0.01, 1e5),
      ),
  );
  return withReportOption(command).action(run);
}

function run(options: Options): void {
  const started = performance.now();
  const { json, quick, prompt, answer, memory, sequences, stepTokens, fitting = false } = options;
  const batches = options.batches ?? (quick ? [1, 4] : [1, 2, 4, 8, 16, 32, 64]);
  const { shape, layers, schemes, load } = chosenModels(options, {
    maxBatch: batches.at(-1)!,
    ...(stepTokens !== undefined && { maxStepTokens: stepTokens }),
  });
  const settings = {
    shape: { prompt, answer },
    batches,
    memory,
    sequences,
    fitting,
    seconds: options.seconds ?? (quick ? 0.1 : 4),
    rounds: quick ? 2 : 5,
  };
  const say = (line: string) => {
    if (!json) console.log(line);
  };
  const loaded: LoadedScheme[] = [];
  try {
    for (const scheme of schemes) {
      const model = load(scheme);
      loaded.push(model);
      const sequence = bytesOf(model.sequenceBytes(prompt + answer));
      say(
        `${model.name.padEnd(10)}  weights ${bytesOf(model.weightBytes)}, ${sequence} for each sequence of ${prompt + answer} tokens`,
      );
    }
    say(`\n${tableLine(widths, headings)}`);
    const comparison = compare(loaded, { ...settings, onPoint: (point) => say(lineOf(point)) });
    deliver(reportOf(comparison, { ...settings, stepTokens, model: shape, layers }, started), options);
    const { inMemory, passings } = comparison;
    if (inMemory) say(`\n${inMemoryTables(inMemory)}`);
    say(`\n${passings.map(passingLine).join('\n')}`);
  } finally {
    for (const model of loaded) model[Symbol.dispose]();
  }
}

/** What the page is drawn from, and all the rest beside it. */
function reportOf(comparison: Comparison, settings: object, started: number): BenchReport & object {
  const { curve, inMemory, needs, sweep, passings } = comparison;
  const serving = curve.map(({ scheme, batch, tokensPerSecond, betweenTokens }) => ({
    scheme,
    batch,
    tokensPerSecond,
    tokenLatency: betweenTokens.p50,
    tokenLatency99: betweenTokens.p99,
  }));
  return {
    kind: 'bench',
    ...provenance('Schemes compared', started),
    kernels: [],
    serving,
    ...(inMemory && {
      fixedMemory: {
        bytes: inMemory.memory,
        bars: inMemory.points.map(barOf),
        ...(inMemory.asQuick && { asQuick: inMemory.asQuick.map(barOf) }),
      },
    }),
    memorySweep: {
      schemes: needs.map(({ scheme: name }, i) => ({
        scheme: name,
        points: sweep.map(({ memory, schemes }) => ({
          bytes: memory,
          tokensPerSecond: schemes[i]!.tokensPerSecond,
          tokenLatency: schemes[i]!.latency,
        })),
      })),
      marks: passings.flatMap(({ memory, ratio, over }) =>
        memory === undefined ? [] : [{ bytes: memory, label: `${ratio} times ${over}` }],
      ),
    },
    settings: machineSettings(settings),
    ...{ comparison },
  };
}

const widths = [10, 6, 9, 20, 8, 8];
const headings = ['scheme', 'batch', 'tokens/s', 'per token ms', 'ms/step', 'not model'];

function lineOf({ scheme, batch, tokensPerSecond, betweenTokens, breakdown }: BatchPoint): string {
  const { p50, p90, p99 } = betweenTokens;
  return tableLine(widths, [
    scheme,
    batch,
    tokensPerSecond.toFixed(1),
    [p50, p90, p99].map((value) => (value * 1000).toFixed(1)).join('/'),
    breakdown.millisecondsPerStep.toFixed(1),
    `${(breakdown.overhead * 100).toFixed(2)} %`,
  ]);
}

const barOf = ({ scheme, batch, tokensPerSecond, betweenTokens }: MemoryPoint) => ({
  ...{ scheme, batch, tokensPerSecond },
  tokenLatency: betweenTokens.p90,
});

function inMemoryTables({ memory, points, asQuick }: InMemory): string {
  return [
    `each in ${bytesOf(memory)} for weights and cache`,
    ...pointTable(points),
    ...(asQuick
      ? ['\nthe same, of so many sequences that tokens come as quickly as in 16 bits', ...pointTable(asQuick)]
      : []),
  ].join('\n');
}

const pointWidths = [10, 6, 6, 9, 12, 8];
const pointHeadings = ['scheme', 'fit', 'ran', 'tokens/s', 'p90 token ms', 'of 16'];

function pointTable(points: readonly MemoryPoint[]): string[] {
  const plain = points.find(({ scheme }) => scheme === plainScheme.name);
  const lines = points.map(({ scheme, fits, running, tokensPerSecond, betweenTokens }) =>
    tableLine(pointWidths, [
      scheme,
      fits,
      running.toFixed(1),
      tokensPerSecond.toFixed(1),
      (betweenTokens.p90 * 1000).toFixed(1),
      plain ? `${(tokensPerSecond / plain.tokensPerSecond).toFixed(2)}x` : '-',
    ]),
  );
  return [tableLine(pointWidths, pointHeadings), ...lines];
}

function passingLine({ scheme, over, ratio, asQuick, ...all }: Passing): string {
  return `${ratio}x of ${over} by ${scheme}: ${reachText(all)}; as quickly: ${reachText(asQuick)}`;
}

function reachText({ memory, fits, fitsOver, most }: Reach): string {
  if (memory === undefined) return `not passed, at most ${most.toFixed(2)}x where both run`;
  return `passed up to ${bytesOf(memory)} (${fits} and ${fitsOver} sequences), at most ${most.toFixed(2)}x`;
}
