// `atom quantize`: a checkpoint in, a quantized checkpoint out, with progress, Ctrl-C and resume.
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { Command } from 'commander';
import { CpuBackend } from '../backend/cpu/cpu-backend.ts';
import { openCheckpoint } from '../checkpoint/open-checkpoint.ts';
import { AtomError } from '../errors.ts';
import { calibrationWindows, readCalibrationText } from '../quantize/calibration-text.ts';
import type { LoggedLayer } from '../quantize/layer-log.ts';
import { presets } from '../quantize/presets.ts';
import { quantize, requirePlain } from '../quantize/quantize.ts';
import type { QuantizeStage } from '../quantize/quantizer.ts';
import { reportJson } from '../report/report-file.ts';
import { loadTokenizer } from '../tokenizer/load-tokenizer.ts';
import { interruptSignal } from './interrupt.ts';
import { numberBetween, positiveInteger, wholeNumber } from './option-types.ts';
import { startStages } from './progress.ts';
import { provenance } from './provenance.ts';
import { quantizationFacts } from './quantization-facts.ts';
import { addRecipeOptions, type RecipeOptions, recipeFrom, requireSensible } from './recipe-options.ts';
import { resolveModel } from './resolve-model.ts';
import { jsonOption } from './shared-options.ts';
import { bytesOf } from './sizes.ts';
import { StageTimes } from './stage-times.ts';
import { writeReport } from './write-report.ts';

interface Options extends RecipeOptions {
  readonly list?: boolean;
  readonly out?: string;
  readonly overwrite?: boolean;
  readonly calibration?: string;
  readonly data?: string;
  readonly samples: number;
  readonly sequenceLength: number;
  readonly seed: number;
  readonly bitsBudget?: number;
  readonly report: boolean;
  readonly json?: boolean;
}

/** `say` gets what is printed for people. */
export function quantizeCommand(say: (line: string) => void = console.log): Command {
  const command = new Command('quantize')
    .description('quantize a checkpoint to 4 bits, or as a preset or options say')
    .argument('[model]', 'folder of a checkpoint, or its id on the Hub')
    .option('--list', 'list the presets and do nothing')
    .option('-o, --out <folder>', 'where to write (default: the name of the model and the preset, here)')
    .option('--overwrite', 'empty the folder first if it holds something else')
    .option(
      '--calibration <source>',
      'text, .jsonl or data set (default: calibration.txt beside the model, else the bundled one)',
    )
    .option('--data <folder>', "look for data sets' files here, not on the Hub")
    .option('--samples <n>', 'calibration samples', positiveInteger, 32)
    .option('--sequence-length <tokens>', 'tokens of a calibration sample', positiveInteger, 512)
    .option('--seed <n>', 'of everything random', wholeNumber, 0)
    .option(
      '--bits-budget <bits>',
      'choose bits layer by layer: so many per weight on average, scales counted',
      numberBetween(2, 16),
    )
    .option('--no-report', 'do not write quantization-report.html beside the checkpoint')
    .addOption(jsonOption());
  return addRecipeOptions(command).action((model: string | undefined, options: Options) =>
    run(model, options, say),
  );
}

async function run(model: string | undefined, options: Options, say: (line: string) => void): Promise<void> {
  if (options.list) return list(options);
  if (model === undefined)
    throw new AtomError('bad-option', 'say which model to quantize, or --list the presets');
  const started = performance.now();
  const path = await resolveModel(model);
  const checkpoint = openCheckpoint(path);
  const { config } = checkpoint;
  requirePlain(checkpoint);
  const recipe = recipeFrom(options, config);
  requireSensible(recipe);
  const out = resolve(options.out ?? `${basename(model)}-${recipe.name.replace(':', '-of-')}`);
  if (options.overwrite && out !== resolve(path)) emptyFolder(out);
  const tokenizer = loadTokenizer(path, { vocabSize: config.vocabSize });
  const text = await readCalibrationText(options.calibration ?? defaultCalibration(path), options);
  const samples = calibrationWindows(tokenizer.encode(text), {
    samples: options.samples,
    sequenceLength: Math.min(options.sequenceLength, config.maxPositions),
  });

  using backend = new CpuBackend();
  using interrupt = interruptSignal();
  using stages = startStages();
  const times = new StageTimes();
  const written = await quantize(checkpoint, {
    backend,
    recipe,
    samples,
    seed: options.seed,
    ...(options.bitsBudget !== undefined && { bitsBudget: options.bitsBudget }),
    out,
    signal: interrupt.signal,
    onProgress: (stage: QuantizeStage, done: number, total: number) => {
      times.enter(stageNames[stage]);
      stages.update(stageNames[stage], done, total);
    },
    onLayer: (layer, restored) => {
      if (!options.json && !process.stderr.isTTY) console.error(layerLine(layer, config.numLayers, restored));
    },
  });
  const facts = quantizationFacts({
    provenance: provenance(`${basename(model)}, ${recipe.name}`, started),
    checkpoint,
    written,
    recipe,
    choice: written.choice,
    stages: times.finish(),
  });
  if (options.report) writeReport(join(out, 'quantization-report'), facts);
  if (options.json) {
    console.log(reportJson(facts).trimEnd());
    return;
  }
  say(`${out}: ${recipe.description}`);
  say(
    `${bytesOf(facts.sizes.before)} became ${bytesOf(facts.sizes.after)} (${facts.averageBits.toFixed(2)} bits a weight of the linears) in ${facts.seconds.toFixed(1)} s`,
  );
  if (options.report) say(`report: ${join(out, 'quantization-report.html')}`);
}

const stageNames = {
  profile: 'measuring inputs',
  sensitivity: 'choosing bits',
  quantize: 'quantizing',
} as const satisfies Record<QuantizeStage, string>;

function layerLine({ index, seconds, linears }: LoggedLayer, numLayers: number, restored: boolean): string {
  const worst = Math.sqrt(Math.max(...linears.map(({ error }) => error ?? 0)));
  const note = restored
    ? 'finished earlier'
    : `${seconds.toFixed(1)} s, largest relative error ${percent(worst)}`;
  return `layer ${String(index + 1).padStart(String(numLayers).length)} of ${numLayers}: ${note}`;
}

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;

function list({ json }: Options): void {
  if (json) {
    console.log(JSON.stringify(presets));
    return;
  }
  for (const { name, description } of presets) console.log(`${name.padEnd(18)} ${description}`);
}

/** The text beside the model, or the one that comes with the package. */
function defaultCalibration(path: string): string {
  const beside = join(path, 'calibration.txt');
  return existsSync(beside)
    ? beside
    : resolve(import.meta.dirname, '../../models/tiny-classics/calibration.txt');
}

/** Removes what a quantization writes, and nothing else. */
function emptyFolder(out: string): void {
  if (!existsSync(out)) return;
  const written = /^(config\.json|model.*\.safetensors(\.index\.json)?(\.partial)?|quantization-.*)$/;
  for (const name of readdirSync(out)) if (written.test(name)) rmSync(join(out, name));
}
