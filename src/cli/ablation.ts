// `atom eval --ablation`: the ladder from plain rounding to Atom as published, perplexity by perplexity, simulated.
import { mkdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { CpuBackend } from '../backend/cpu/cpu-backend.ts';
import { openCheckpoint } from '../checkpoint/open-checkpoint.ts';
import { measurePerplexity } from '../evaluate/perplexity.ts';
import { Model } from '../model/model.ts';
import type { ModelSource } from '../model/model-source.ts';
import { plainSource } from '../model/plain-source.ts';
import { Scorer } from '../model/scorer.ts';
import { calibrationWindows, readCalibrationText } from '../quantize/calibration-text.ts';
import { beyond, ladder } from '../quantize/ladder.ts';
import { presetNamed, resized } from '../quantize/presets.ts';
import { measureProfile } from '../quantize/profile.ts';
import { simulate } from '../quantize/simulate.ts';
import type { LadderReport, Rung } from '../report/types.ts';
import { loadTokenizer } from '../tokenizer/load-tokenizer.ts';
import { interruptSignal } from './interrupt.ts';
import { startProgress } from './progress.ts';
import { provenance } from './provenance.ts';
import { modelFacts, recipeLines } from './quantization-facts.ts';
import { readText } from './text.ts';
import { writeReport } from './write-report.ts';

export interface AblationOptions {
  readonly text?: string;
  readonly calibration?: string;
  readonly data?: string;
  readonly samples: number;
  readonly sequenceLength: number;
  readonly window?: number;
  readonly groupSize: number;
  readonly outliers: number;
  /** Where to draw it: a path that .html and .json are added to. */
  readonly report?: string;
  /** Measured after the ladder. */
  readonly presets?: readonly string[];
  readonly json?: boolean;
}

/** Measures and prints the rows; `presets` are measured after them. */
export async function ablation(path: string, options: AblationOptions): Promise<void> {
  const started = performance.now();
  const checkpoint = openCheckpoint(path);
  const { config } = checkpoint;
  const tokenizer = loadTokenizer(path, { vocabSize: config.vocabSize });
  const text = options.text ?? join(path, 'test.txt');
  const tokenIds = tokenizer.encode(readText(text, '--text'));
  const source = options.calibration ?? join(path, 'calibration.txt');
  const calibration = await readCalibrationText(source, options);
  const samples = calibrationWindows(tokenizer.encode(calibration), options);
  const window = options.window ?? Math.min(config.maxPositions, 2048);
  const [paper, best] = [presetNamed('atom-paper'), presetNamed('atom')].map((recipe) =>
    resized(recipe, options),
  );
  const further = (options.presets ?? []).map((name) => resized(presetNamed(name), options));
  // A folder that cannot be written must not cost the results.
  if (options.report !== undefined) mkdirSync(dirname(options.report), { recursive: true });

  using backend = new CpuBackend();
  using interrupt = interruptSignal();
  const { signal } = interrupt;
  const measure = async (name: string, makeSource: () => Promise<ModelSource>): Promise<Required<Rung>> => {
    const begun = performance.now();
    using model = new Model(await makeSource(), { backend, maxTokens: 512, maxOutputs: 512 });
    using scorer = new Scorer({ model, backend, window });
    using progress = startProgress(name);
    const onProgress = (done: number, total: number) => progress.update(done, total);
    const { perplexity } = await measurePerplexity({ scorer, tokenIds, window, onProgress, signal });
    if (!options.json) console.log(`${perplexity.toFixed(3).padStart(10)}  ${name}`);
    return { name, perplexity, seconds: (performance.now() - begun) / 1000, note: '' };
  };

  const plain = () => plainSource(checkpoint, { backend, compute: 'f32' });
  const baseline = await measure('FP32', async () => plain());
  using original = plain();
  const profile = await measureProfile(original, { backend, samples, residual: true, signal });
  const steps: Rung[] = [];
  for (const recipe of [...ladder(paper!), ...beyond(paper!, best!), ...further]) {
    steps.push(
      await measure(recipe.name, () => simulate(checkpoint, { backend, recipe, samples, profile, signal })),
    );
  }
  const report: LadderReport = {
    ...provenance(`${modelFacts(checkpoint).name}, step by step`, started),
    kind: 'ladder',
    model: modelFacts(checkpoint),
    ladder: { baseline, steps, text: `${basename(text)}, ${tokenIds.length} tokens in windows of ${window}` },
    recipe: { name: best!.name, lines: recipeLines(best!) },
  };
  if (options.report !== undefined) writeReport(options.report.replace(/\.html$/, ''), report);
  if (options.json) {
    const { groupSize, outliers } = options;
    const rows = [baseline, ...steps].map(({ name, perplexity, seconds }) => ({ name, perplexity, seconds }));
    console.log(JSON.stringify({ model: path, window, groupSize, outliers, samples: samples.length, rows }));
  }
}
