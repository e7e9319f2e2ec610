// `atom eval`: how good a model is, as a table or as JSON.
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { CpuBackend } from '../backend/cpu/cpu-backend.ts';
import { AtomError } from '../errors.ts';
import { measurePerplexity, type PerplexityResult } from '../evaluate/perplexity.ts';
import { loadModel } from '../model/load-model.ts';
import type { Compute } from '../model/plain-source.ts';
import { Scorer } from '../model/scorer.ts';
import { loadTokenizer } from '../tokenizer/load-tokenizer.ts';
import { type AblationOptions, ablation } from './ablation.ts';
import { positiveInteger, wholeNumber } from './option-types.ts';
import { startProgress } from './progress.ts';
import { readText } from './text.ts';

interface EvaluateOptions extends AblationOptions {
  readonly ppl?: boolean;
  readonly ablation?: boolean;
  readonly stride?: number;
  readonly compute: Compute;
}

export function evaluateCommand(): Command {
  return new Command('eval')
    .description('measure perplexity, plain or step by step of quantization')
    .argument('<model>', 'folder of a checkpoint')
    .option('--ppl', 'perplexity on a text')
    .option('--ablation', 'perplexity of each step from plain rounding to Atom as published, simulated')
    .option('--text <file>', 'text to score; by default the test.txt beside the model')
    .option(
      '--window <tokens>',
      "length of the scored windows (default: the model's context, at most 2048)",
      positiveInteger,
    )
    .option('--stride <tokens>', 'distance between windows (default: the window)', positiveInteger)
    .option(
      '--calibration <file>',
      'text or .jsonl to calibrate with (default: the calibration.txt beside the model)',
    )
    .option('--samples <n>', 'calibration samples', positiveInteger, 64)
    .option('--sequence-length <tokens>', 'tokens of a calibration sample', positiveInteger, 256)
    .option('--group-size <n>', 'channels that share a scale', positiveInteger, 128)
    .option('--outliers <n>', 'channels kept in INT8', wholeNumber, 128)
    .addOption(
      new Option('--compute <type>', 'arithmetic of a plain checkpoint')
        .choices(['f32', 'bf16'])
        .default('bf16'),
    )
    .option('--json', 'print one JSON object and nothing else')
    .action(evaluate);
}

async function evaluate(path: string, options: EvaluateOptions): Promise<void> {
  if (options.ablation) return ablation(path, options);
  if (!options.ppl) throw new AtomError('bad-option', 'say what to measure: --ppl or --ablation');
  const result = await perplexityOf(path, options);
  if (options.json) {
    console.log(JSON.stringify({ model: path, compute: options.compute, ...result }));
    return;
  }
  const [low, high] = result.interval;
  console.log(
    `perplexity  ${result.perplexity.toFixed(4)}  (95 % interval ${low.toFixed(2)} to ${high.toFixed(2)})`,
  );
  console.log(`tokens      ${result.tokens} scored in ${result.windows} windows of ${result.window}`);
  console.log(
    `time        ${result.seconds.toFixed(1)} s, ${Math.round(result.tokens / result.seconds)} tokens/s`,
  );
}

async function perplexityOf(path: string, options: EvaluateOptions): Promise<PerplexityResult> {
  const text = readText(options.text ?? join(path, 'test.txt'), '--text');
  using backend = new CpuBackend();
  using model = loadModel(path, { backend, compute: options.compute, maxTokens: 512, maxOutputs: 512 });
  const tokenizer = await loadTokenizer(path, { vocabSize: model.config.vocabSize });
  const window = options.window ?? Math.min(model.maxPositions, 2048);
  using scorer = new Scorer({ model, backend, window });
  using progress = startProgress('perplexity');
  return await measurePerplexity({
    scorer,
    tokenIds: tokenizer.encode(text),
    window,
    ...(options.stride && { stride: options.stride }),
    onProgress: (done, total) => progress.update(done, total),
  });
}
