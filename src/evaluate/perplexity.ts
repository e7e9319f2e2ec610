// Perplexity as the field measures it: one token stream cut into windows without overlap; in each window every token
// but the first is scored; exp of the mean negative log-likelihood.
import { AtomError } from '../errors.ts';
import type { Scorer } from '../model/scorer.ts';
import { standardError } from './statistics.ts';

export interface PerplexityResult {
  readonly perplexity: number;
  /** 95 % confidence interval, from the spread of the windows' mean log-likelihoods. */
  readonly interval: readonly [low: number, high: number];
  readonly windows: number;
  readonly window: number;
  /** Mean log-probability of each window's scored tokens. */
  readonly windowMeans: readonly number[];
  /** Tokens scored. */
  readonly tokens: number;
  readonly seconds: number;
}

export interface PerplexityOptions {
  readonly scorer: Pick<Scorer, 'score'>;
  /** The whole text, tokenized once (with one leading BOS where the model has one). */
  readonly tokenIds: ArrayLike<number>;
  readonly window: number;
  /** Tokens between the starts of windows, by default the window. With less, every token is still scored once. */
  readonly stride?: number;
  /** Only the first so many windows. */
  readonly windows?: number;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** Throws `bad-option` when the text is shorter than one window, `cancelled` on abort. */
export async function measurePerplexity(options: PerplexityOptions): Promise<PerplexityResult> {
  const { scorer, window, stride = window, onProgress, signal } = options;
  const ids = Int32Array.from(options.tokenIds);
  if (window < 2 || stride < 1 || stride > window) {
    throw new AtomError(
      'bad-option',
      `window ${window} and stride ${stride} do not fit: at least 2 and 1, stride <= window`,
    );
  }
  const whole = Math.floor((ids.length - window) / stride) + 1;
  const windows = Math.min(whole, options.windows ?? whole);
  if (whole < 1) {
    throw new AtomError(
      'bad-option',
      `the text has ${ids.length} tokens, fewer than one window of ${window}; give a longer text or a shorter --window`,
    );
  }
  const started = performance.now();
  const means: number[] = [];
  let sum = 0;
  let tokens = 0;
  for (let index = 0; index < windows; index++) {
    if (signal?.aborted)
      throw new AtomError('cancelled', 'the evaluation was interrupted', { cause: signal.reason });
    const scores = scorer.score(ids.subarray(index * stride, index * stride + window));
    // With overlap only what the window before has not scored counts.
    const fresh = index === 0 ? scores : scores.subarray(scores.length - Math.min(stride, scores.length));
    const windowSum = fresh.reduce((total, score) => total + score, 0);
    sum += windowSum;
    tokens += fresh.length;
    means.push(windowSum / fresh.length);
    onProgress?.(index + 1, windows);
    // Lets an interrupt in, and the progress bar out.
    await new Promise((resolve) => setImmediate(resolve));
  }
  const mean = -sum / tokens;
  const margin = 1.96 * standardError(means);
  return {
    perplexity: Math.exp(mean),
    interval: [Math.exp(mean - margin), Math.exp(mean + margin)],
    windows,
    window,
    windowMeans: means,
    tokens,
    seconds: (performance.now() - started) / 1000,
  };
}
