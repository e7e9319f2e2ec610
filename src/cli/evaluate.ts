// `atom eval`: how good a model is, or several side by side, as a table and as JSON.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { Command, Option } from 'commander';
import { CpuBackend } from '../backend/cpu/cpu-backend.ts';
import { openCheckpoint } from '../checkpoint/open-checkpoint.ts';
import { AtomError, reasonOf } from '../errors.ts';
import { perplexityChange } from '../evaluate/compare.ts';
import { type Evaluation, type EvaluationPlan, evaluate } from '../evaluate/evaluate.ts';
import { type HeadFormat, headFormats } from '../model/head-format.ts';
import { loadModel } from '../model/load-model.ts';
import type { Compute } from '../model/plain-source.ts';
import { loadTokenizer } from '../tokenizer/load-tokenizer.ts';
import { type AblationOptions, ablation } from './ablation.ts';
import { comparisonReport } from './comparison-report.ts';
import { makePlan, type PlanOptions } from './evaluation-plan.ts';
import { evaluationTable } from './evaluation-table.ts';
import { interruptSignal } from './interrupt.ts';
import { list, positiveInteger, wholeNumber } from './option-types.ts';
import { startStages } from './progress.ts';
import { parameterCount } from './quantization-summary.ts';
import { resolveModel } from './resolve-model.ts';
import { jsonOption } from './shared-options.ts';
import { writeReport } from './write-report.ts';

interface Options extends AblationOptions, PlanOptions, Arithmetic {
  readonly ablation?: boolean;
  readonly compare?: readonly string[];
  readonly output?: string;
}

/** What is printed and written about one model. */
export interface ModelEvaluation extends Evaluation {
  readonly model: string;
  /** The preset or method it was quantized with, or what a plain checkpoint computes in. */
  readonly scheme: string;
  /** Of its weight files. */
  readonly bytes: number;
  /** Of the model as published. */
  readonly parameters: number;
}

export function evaluateCommand(): Command {
  return new Command('eval')
    .description('measure perplexity and zero-shot accuracy, of one model or of several')
    .argument('[model]', 'folder of a checkpoint, or its id on the Hub')
    .option('--ppl', 'perplexity on a text')
    .option('--tasks <names>', 'zero-shot tasks: piqa, arc_easy, arc_challenge, boolq, hellaswag, ...', list)
    .option('--ablation', 'perplexity of each step from plain rounding to Atom as published, simulated')
    .option('--compare <models...>', 'measure these as well, and set them side by side')
    .option('--text <file>', 'text to score; by default the test.txt beside the model')
    .option('--dataset <names>', 'texts to score instead: wikitext2, ptb, c4', list)
    .option('--data <folder>', "look for data sets' files here, not on the Hub")
    .option('--limit <n>', 'only the first n questions of a task, or windows of a text', positiveInteger)
    .option('--num-fewshot <k>', 'examples before each question of a task', wholeNumber, 0)
    .option('--add-bos', "put the model's bos before every task's text, as the harness's add_bos_token does")
    .option(
      '--window <tokens>',
      "length of the scored windows (default: the model's context, at most 2048)",
      positiveInteger,
    )
    .option('--stride <tokens>', 'distance between windows (default: the window)', positiveInteger)
    .option(
      '--calibration <source>',
      'for --ablation: text, .jsonl or data set to calibrate with (default: the calibration.txt beside the model)',
    )
    .option('--samples <n>', 'calibration samples', positiveInteger, 64)
    .option('--sequence-length <tokens>', 'tokens of a calibration sample', positiveInteger, 256)
    .option('--group-size <n>', 'channels that share a scale', positiveInteger, 128)
    .option('--outliers <n>', 'channels kept in INT8', wholeNumber, 128)
    .option('--simulate', 'compute a quantized checkpoint in f32, whatever its formats; slow')
    .addOption(
      new Option('--head <type>', 'output layer of a quantized checkpoint (default: int8)').choices(
        headFormats,
      ),
    )
    .addOption(
      new Option('--compute <type>', 'arithmetic of a plain checkpoint')
        .choices(['f32', 'bf16'])
        .default('bf16'),
    )
    .option(
      '--report <path>',
      'draw the models side by side, or the ablation, as <path>.html and <path>.json',
    )
    .option('--presets <names>', 'with --ablation: measure these presets as well', list)
    .option('-o, --output <file>', 'write the results as JSON too')
    .addOption(jsonOption())
    .action(evaluateCommandLine);
}

async function evaluateCommandLine(model: string | undefined, options: Options): Promise<void> {
  const models = [...(model === undefined ? [] : [model]), ...(options.compare ?? [])];
  const [first] = models;
  if (first === undefined) throw new AtomError('bad-option', 'name a model, or several with --compare');
  if (options.ablation) return ablation(await resolveModel(first), options);
  const started = performance.now();
  // A path that cannot be written must not cost the results.
  if (options.output !== undefined) write(options.output, '');
  if (options.report !== undefined) mkdirSync(dirname(options.report), { recursive: true });
  using interrupt = interruptSignal();
  const folders: string[] = [];
  for (const each of models) folders.push(await resolveModel(each));
  const plan = await makePlan(folders[0]!, options);
  const results: ModelEvaluation[] = [];
  for (const [index, name] of models.entries()) {
    const { signal } = interrupt;
    results.push(await evaluateModel(folders[index]!, { name, plan, arithmetic: options, signal }));
  }
  const report = results.length === 1 ? withFirstText(results[0]!) : { models: withChanges(results) };
  if (options.report !== undefined)
    writeReport(options.report.replace(/\.html$/, ''), comparisonReport(results, started));
  if (options.output !== undefined) write(options.output, `${JSON.stringify(report, undefined, 2)}\n`);
  console.log(options.json ? JSON.stringify(report) : evaluationTable(results));
}

interface Arithmetic {
  readonly compute: Compute;
  readonly simulate?: boolean;
  readonly head?: HeadFormat;
}

interface EvaluateModelOptions {
  readonly name: string;
  readonly plan: EvaluationPlan;
  readonly arithmetic: Arithmetic;
  readonly signal: AbortSignal;
}

async function evaluateModel(folder: string, options: EvaluateModelOptions): Promise<ModelEvaluation> {
  const { name, plan, arithmetic, signal } = options;
  const { compute, simulate = false, head } = arithmetic;
  const { quantization, tensors } = openCheckpoint(folder);
  const scheme = quantization ? (quantization.fields.preset ?? quantization.fields.method) : compute;
  const bytes = tensors.files.reduce((sum, { byteLength }) => sum + byteLength, 0);
  using backend = new CpuBackend();
  using model = loadModel(folder, {
    backend,
    compute,
    simulate,
    ...(head && { head }),
    maxTokens: 512,
    maxOutputs: 512,
  });
  const tokenizer = loadTokenizer(folder, { vocabSize: model.config.vocabSize });
  using stages = startStages();
  const onProgress = (what: string, done: number, total: number) =>
    stages.update(`${name} ${what}`, done, total);
  const evaluation = await evaluate({ model, backend, tokenizer, plan, signal, onProgress });
  return { model: name, scheme, bytes, parameters: parameterCount(model.config), ...evaluation };
}

/** Each after the first says how much worse than the first it is. */
function withChanges([base, ...others]: readonly ModelEvaluation[]): object[] {
  const changed = others.map((other) => ({
    ...other,
    changes: base!.texts.map((text, index) => perplexityChange(text, other.texts[index]!) ?? null),
  }));
  return [base!, ...changed];
}

/** One text's figures stand at the top, where scripts look for them. */
function withFirstText(result: ModelEvaluation): object {
  return { ...result, ...result.texts[0] };
}

function write(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (cause) {
    throw new AtomError('io', `${file} cannot be written: ${reasonOf(cause)}`, { cause });
  }
}
