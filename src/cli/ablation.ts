// `atom eval --ablation`: the ladder from plain rounding to Atom as published, perplexity by perplexity, simulated.
import { join } from 'node:path';
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
import { loadTokenizer } from '../tokenizer/load-tokenizer.ts';
import { interruptSignal } from './interrupt.ts';
import { startProgress } from './progress.ts';
import { readText } from './text.ts';

export interface AblationOptions {
  readonly text?: string;
  readonly calibration?: string;
  readonly data?: string;
  readonly samples: number;
  readonly sequenceLength: number;
  readonly window?: number;
  readonly groupSize: number;
  readonly outliers: number;
  readonly json?: boolean;
}

export async function ablation(path: string, options: AblationOptions): Promise<void> {
  const checkpoint = openCheckpoint(path);
  const { config } = checkpoint;
  const tokenizer = loadTokenizer(path, { vocabSize: config.vocabSize });
  const tokenIds = tokenizer.encode(readText(options.text ?? join(path, 'test.txt'), '--text'));
  const calibration = await readCalibrationText(
    options.calibration ?? join(path, 'calibration.txt'),
    options,
  );
  const samples = calibrationWindows(tokenizer.encode(calibration), options);
  const window = options.window ?? Math.min(config.maxPositions, 2048);
  const recipe = resized(presetNamed('atom-paper'), options);

  using backend = new CpuBackend();
  using interrupt = interruptSignal();
  const rows: { name: string; perplexity: number; seconds: number }[] = [];
  const measure = async (name: string, makeSource: () => Promise<ModelSource>) => {
    const started = performance.now();
    using model = new Model(await makeSource(), { backend, maxTokens: 512, maxOutputs: 512 });
    using scorer = new Scorer({ model, backend, window });
    using progress = startProgress(name);
    const onProgress = (done: number, total: number) => progress.update(done, total);
    const { perplexity } = await measurePerplexity({
      scorer,
      tokenIds,
      window,
      onProgress,
      signal: interrupt.signal,
    });
    rows.push({ name, perplexity, seconds: (performance.now() - started) / 1000 });
    if (!options.json) console.log(`${perplexity.toFixed(3).padStart(10)}  ${name}`);
  };

  const plain = () => plainSource(checkpoint, { backend, compute: 'f32' });
  await measure('FP32', async () => plain());
  using source = plain();
  const profile = await measureProfile(source, { backend, samples, residual: true });
  const best = resized(presetNamed('atom'), options);
  for (const step of [...ladder(recipe), ...beyond(recipe, best)]) {
    await measure(step.name, () =>
      simulate(checkpoint, { backend, recipe: step, samples, profile, signal: interrupt.signal }),
    );
  }
  if (options.json) {
    const { groupSize, outliers } = options;
    console.log(JSON.stringify({ model: path, window, groupSize, outliers, samples: samples.length, rows }));
  }
}
