// `atom bench serve`: conversations over every scheme in the same memory.
import { Command } from 'commander';
import type { LoadedScheme } from '../bench/loaded-scheme.ts';
import { plainScheme, type Scheme } from '../bench/schemes.ts';
import { closedLoop, type LoopResult, type OpenLoopResult, openLoop } from '../bench/serve.ts';
import { scaled, shareGpt, Workload } from '../bench/workload.ts';
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
import { bytes, numberBetween, positiveInteger, wholeNumber } from './option-types.ts';
import { provenance } from './provenance.ts';
import { bytesOf } from './sizes.ts';

interface Options extends ModelOptions, ReportOption {
  readonly memory?: number;
  readonly sequences: number;
  readonly concurrency: number;
  readonly rate?: number;
  readonly seconds?: number;
  readonly seed: number;
}

/** Tokens of the sequences by which memory is counted, as in the paper. */
const sequenceTokens = 512;
/** The open loop asks for so much of what the first scheme can do. */
const openLoad = 0.8;

export function benchServeCommand(): Command {
  const command = withModelOptions(
    new Command('serve')
      .description('throughput and latency of conversations, for each scheme in the same memory')
      .option('--memory <bytes>', 'for weights and cache together (default: what --sequences needs)', bytes)
      .option(
        '--sequences <n>',
        `memory that holds so many sequences of ${sequenceTokens} tokens beside the 16-bit weights`,
        positiveInteger,
        8,
      )
      .option('--concurrency <n>', 'callers of the closed loop', positiveInteger, 64)
      .option(
        '--rate <n>',
        `requests a second of the open loop (default: ${openLoad * 100} % of what the first scheme can do)`,
        numberBetween(1e-3, 1e6),
      )
      .option('--seconds <n>', 'seconds measured per loop (default: 60)', numberBetween(0.1, 1e5))
      .option('--seed <n>', 'of the requests', wholeNumber, 0),
  );
  return withReportOption(command).action(serve);
}

function serve(options: Options): void {
  const started = performance.now();
  const { json, quick, seed, concurrency } = options;
  const { shape, layers, schemes, load } = chosenModels(options, { maxBatch: concurrency });
  const seconds = options.seconds ?? (quick ? 1 : 60);
  const lengths = scaled(shareGpt, shape === 'tiny' ? 1 / 8 : 1);
  const workload = new Workload({ seed, lengths });
  const memory = options.memory ?? memoryFor(options.sequences, load);
  const common = { memory, workload, seconds, warmup: seconds / 4 };
  let { rate } = options;

  const closed: LoopResult[] = [];
  const open: OpenLoopResult[] = [];
  const left: string[] = [];
  if (!json) console.log(headings(memory));
  for (const scheme of schemes) {
    using loaded = load(scheme);
    if (loaded.sequencesIn(memory, sequenceTokens) === 0) {
      left.push(scheme.name);
      if (!json) console.log(`${scheme.name} does not fit: its weights take ${bytesOf(loaded.weightBytes)}`);
      continue;
    }
    const capacity = closedLoop(loaded, { ...common, concurrency });
    closed.push(capacity);
    if (!json) console.log(lineOf('closed', capacity));
    rate ??= (openLoad * capacity.tokensPerSecond) / lengths.answer.mean;
    const arriving = openLoop(loaded, { ...common, rate });
    open.push(arriving);
    if (!json) console.log(lineOf('open', arriving));
  }
  const settings = { shape, layers, memory, concurrency, rate, seconds, seed, lengths };
  const report: BenchReport & object = {
    kind: 'bench',
    ...provenance('Conversations served', started),
    kernels: [],
    serving: closed.map(({ scheme, batch, tokensPerSecond, betweenTokens }) => ({
      scheme,
      batch: batch.mean,
      tokensPerSecond,
      tokenLatency: betweenTokens.p50,
      tokenLatency99: betweenTokens.p99,
    })),
    fixedMemory: {
      bytes: memory,
      bars: closed.map(({ scheme, batch, tokensPerSecond }) => ({
        scheme,
        batch: batch.mean,
        tokensPerSecond,
      })),
    },
    settings: machineSettings(settings),
  };
  deliver({ ...report, ...{ closed, open, doNotFit: left } }, options);
  if (!json) console.log(`\n${breakdowns(closed)}`);
}

function memoryFor(sequences: number, load: (scheme: Scheme) => LoadedScheme): number {
  using plain = load(plainScheme);
  return plain.weightBytes + sequences * plain.sequenceBytes(sequenceTokens);
}

const widths = [10, 6, 8, 6, 20, 20, 6, 6, 7];

function headings(memory: number): string {
  const titles = ['scheme', 'loop', 'tokens/s', 'req/s', 'first token s', 'per token ms'];
  return [
    `every scheme in ${bytesOf(memory)} for weights and cache; percentiles 50/90/99\n`,
    tableLine(widths, [...titles, 'batch', 'cache', 'queued']),
  ].join('\n');
}

function lineOf(loop: string, result: LoopResult): string {
  const { timeToFirstToken: first, timePerToken: token } = result;
  const three = (values: typeof first, factor: number, digits: number) =>
    [values.p50, values.p90, values.p99].map((value) => decimals(value * factor, digits)).join('/');
  return tableLine(widths, [
    result.scheme,
    loop,
    result.tokensPerSecond.toFixed(1),
    result.requestsPerSecond.toFixed(2),
    three(first, 1, 2),
    three(token, 1000, 1),
    decimals(result.batch.mean, 1),
    `${decimals(result.cache.mean * 100, 0)} %`,
    decimals(result.waitingMean, 1),
  ]);
}

/** A dash where nothing was there to measure. */
const decimals = (value: number, digits: number) => (Number.isNaN(value) ? '-' : value.toFixed(digits));

/** Where the steps' time went. */
function breakdowns(results: readonly LoopResult[]): string {
  return results
    .map(({ scheme, breakdown }) => {
      const percent = (share: number) => `${(share * 100).toFixed(2)} %`;
      const { schedule, model, sample, settle, send, millisecondsPerStep } = breakdown;
      return `${scheme.padEnd(10)}  ${millisecondsPerStep.toFixed(1)} ms a step: schedule ${percent(schedule)}, model ${percent(model)}, sample ${percent(sample)}, settle ${percent(settle)}, send ${percent(send)}`;
    })
    .join('\n');
}
