// `atom eval`: how good a model is, as a table or as JSON.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { CpuBackend } from '../backend/cpu/cpu-backend.ts';
import { AtomError, reasonOf } from '../errors.ts';
import { measurePerplexity, type PerplexityResult } from '../evaluate/perplexity.ts';
import { loadModel } from '../model/load-model.ts';
import type { Compute } from '../model/plain-source.ts';
import { Scorer } from '../model/scorer.ts';
import { loadTokenizer } from '../tokenizer/load-tokenizer.ts';
import { positiveInteger } from './option-types.ts';
import { startProgress } from './progress.ts';

interface EvaluateOptions {
  readonly ppl?: boolean;
  readonly text?: string;
  readonly window?: number;
  readonly stride?: number;
  readonly compute: Compute;
  readonly json?: boolean;
}

export function evaluateCommand(): Command {
  return new Command('eval')
    .description('measure perplexity')
    .argument('<model>', 'folder of a checkpoint')
    .option('--ppl', 'perplexity on a text')
    .option('--text <file>', 'text to score; by default the test.txt beside the model')
    .option(
      '--window <tokens>',
      "length of the scored windows (default: the model's context, at most 2048)",
      positiveInteger,
    )
    .option('--stride <tokens>', 'distance between windows (default: the window)', positiveInteger)
    .addOption(
      new Option('--compute <type>', 'arithmetic of a plain checkpoint')
        .choices(['f32', 'bf16'])
        .default('bf16'),
    )
    .option('--json', 'print one JSON object and nothing else')
    .action(evaluate);
}

async function evaluate(path: string, options: EvaluateOptions): Promise<void> {
  if (!options.ppl) throw new AtomError('bad-option', 'say what to measure: --ppl');
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
  const text = readText(options.text ?? join(path, 'test.txt'));
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

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new AtomError('io', `the text ${file} cannot be read (${reasonOf(cause)}); name one with --text`, {
      cause,
    });
  }
}
