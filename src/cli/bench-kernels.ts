// `atom bench kernels`: options, what they choose, and the JSON that reports are drawn from.
import { Command, InvalidArgumentError, Option } from 'commander';
import { CpuBackend } from '../backend/cpu/cpu-backend.ts';
import { benchKernels, benchWholeModels, type KernelsReport } from '../bench/kernels/kernels.ts';
import type { KernelFigure } from '../bench/kernels/measure.ts';
import { operatorNames } from '../bench/kernels/operators.ts';
import { type DecoderShape, decoderShapes, type LinearShape } from '../bench/kernels/shapes.ts';
import type { ClockName } from '../bench/timing.ts';
import { AtomError } from '../errors.ts';
import { reportJson } from '../report/report-file.ts';
import type { BenchReport } from '../report/types.ts';
import {
  ceilingText,
  figureLine,
  fusedLine,
  kernelHeader,
  operatorTimesLine,
  ratioLines,
  vectorLines,
} from './kernel-table.ts';
import { list, positiveInteger } from './option-types.ts';
import { provenance } from './provenance.ts';
import { jsonOption, threadsOption, useThreads } from './shared-options.ts';

interface KernelsFlags {
  readonly operators?: readonly string[];
  readonly shape?: Shapes;
  readonly shapes?: Shapes;
  readonly rows?: readonly number[];
  readonly threads?: number;
  readonly repeats?: number;
  readonly processorTime?: true;
  readonly model?: true;
  readonly context: number;
  readonly prefill?: number;
  readonly batches?: readonly number[];
  readonly quick?: true;
  readonly json?: true;
}

interface Shapes {
  readonly decoders: readonly DecoderShape[];
  readonly matrices: readonly LinearShape[];
}

const shapeNames = decoderShapes.map(({ name }) => name).join(', ');

export function kernelsCommand(): Command {
  return new Command('kernels')
    .description('every operator against the peak of its arithmetic and the bandwidth of memory')
    .option('--operators <list>', `of ${operatorNames.join(', ')} (default: all)`, operators)
    .option('--shape <list>', `decoders (${shapeNames}) or matrices such as 4096x11008`, shapes)
    .addOption(new Option('--shapes <list>', 'the same').argParser(shapes).hideHelp())
    .option('--rows <list>', 'tokens at once (default: 1 to 512, doubling)', positiveIntegers)
    .addOption(threadsOption())
    .option('--repeats <n>', 'rounds, of which the median is taken (default: 9)', positiveInteger)
    .option('--processor-time', 'leave out what a busy machine gave to others; for one thread')
    .option('--model', 'whole decoders with random weights instead of operators')
    .option('--context <n>', 'tokens in the cache when a whole decoder decodes', positiveInteger, 128)
    .option(
      '--prefill <n>',
      'tokens of the prompt that a whole decoder reads (default: 512)',
      positiveInteger,
    )
    .option('--batches <list>', 'sequences that a whole decoder decodes (default: 1,16)', positiveIntegers)
    .option('--quick', 'a tiny shape, three numbers of rows, three rounds')
    .addOption(jsonOption())
    .action(run);
}

const positiveIntegers = (text: string) => list(text).map(positiveInteger);

function operators(text: string): string[] {
  return list(text).map((name) => {
    const found = operatorNames.find((known) => known.toLowerCase() === name.toLowerCase());
    if (!found) throw new InvalidArgumentError(`'${name}' is none of ${operatorNames.join(', ')}.`);
    return found;
  });
}

function shapes(text: string): Shapes {
  const decoders: DecoderShape[] = [];
  const matrices: LinearShape[] = [];
  for (const name of list(text)) {
    const decoder = decoderShapes.find((shape) => shape.name === name.toLowerCase());
    const matrix = /^(\d+)x(\d+)$/i.exec(name);
    if (decoder) decoders.push(decoder);
    else if (matrix) matrices.push(matrixOf(Number(matrix[1]), Number(matrix[2])));
    else throw new InvalidArgumentError(`'${name}' is neither one of ${shapeNames} nor such as 4096x11008.`);
  }
  return { decoders, matrices };
}

/** Inputs by outputs. Groups of 128 channels, the last of them the outliers. */
function matrixOf(inFeatures: number, outFeatures: number): LinearShape {
  if (inFeatures % 128 !== 0 || inFeatures < 256 || outFeatures < 1) {
    throw new InvalidArgumentError('a matrix needs inputs that are a multiple of 128 and at least 256.');
  }
  return { inFeatures, outFeatures };
}

const doubling = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

function run(flags: KernelsFlags): void {
  const { quick = false, json = false, model = false, processorTime = false } = flags;
  const started = performance.now();
  const threads = useThreads(flags.threads);
  if (processorTime && threads > 1) {
    throw new AtomError('bad-option', '--processor-time needs --threads 1: more would count their waiting');
  }
  const clock: ClockName = processorTime ? 'processor' : 'wall';
  using backend = new CpuBackend();
  const chosen = flags.shape ?? flags.shapes ?? { decoders: defaultShapes(quick, model), matrices: [] };
  const repeats = flags.repeats ?? (quick ? 3 : 9);
  const show = (line: string) => {
    if (!json) console.log(line);
  };
  const onFigure = (figure: KernelFigure) => {
    for (const line of [figureLine(figure, model), ...operatorTimesLine(figure)]) show(line);
  };
  show(kernelHeader(model));
  const report = model
    ? benchWholeModels(backend, {
        shapes: chosen.decoders,
        repeats,
        clock,
        prefill: flags.prefill ?? (quick ? 32 : 512),
        context: flags.context,
        batches: flags.batches ?? (quick ? [1, 2] : [1, 16]),
        onFigure,
      })
    : benchKernels(backend, {
        operators: flags.operators ?? operatorNames,
        shapes: chosen.decoders,
        matrices: chosen.matrices,
        rows: flags.rows ?? (quick ? [1, 16, 128] : doubling),
        threads,
        repeats,
        clock,
        onFigure,
        onFused: (fused) => show(fusedLine(fused)),
        onSkip: (reason) => console.error(reason),
      });
  if (json) {
    const facts = { threads, clock, isa: backend.isa, started };
    console.log(reportJson(asJson(report, facts)).trimEnd());
    return;
  }
  for (const line of ratioLines(report.kernels)) show(line);
  for (const line of vectorLines(report)) show(line);
  show(`\nceilings in this run (${threads} threads), median and best: ${ceilingText(report, backend.isa)}`);
}

function defaultShapes(quick: boolean, model: boolean): readonly DecoderShape[] {
  const names = quick ? ['tiny'] : model ? ['1.1b'] : ['7b', '8b', '1.1b'];
  return decoderShapes.filter(({ name }) => names.includes(name));
}

/** What reports are drawn from, and what else was measured. */
function asJson(
  report: KernelsReport,
  { threads, isa, clock, started }: { threads: number; isa: string; clock: ClockName; started: number },
): BenchReport & Pick<KernelsReport, 'fusedQuantization'> & { ceilings: object } {
  const { kernels, fusedQuantization, ceilings, vectorSet } = report;
  return {
    kind: 'bench',
    ...provenance('Kernels against the ceilings of the machine', started),
    kernels,
    serving: [],
    settings: [
      { label: 'threads', value: String(threads) },
      { label: 'clock', value: clock === 'wall' ? 'wall' : 'processor time' },
      { label: 'instruction set', value: isa },
      ...(vectorSet === undefined ? [] : [{ label: 'vector set', value: vectorSet }]),
      { label: 'ceilings, median (best)', value: ceilingText(report, isa) },
    ],
    fusedQuantization,
    ceilings: Object.fromEntries(ceilings),
  };
}
