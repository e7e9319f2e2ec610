// `bench prefix`: how much sooner the first token comes when a prompt has been seen before. Every round brings a prompt that
// nobody has asked, and then the same again: the blocks it filled are found, and only its end is computed.
import { Driver } from './driver.ts';
import type { LoadedScheme } from './loaded-scheme.ts';
import { percentiles } from './summary.ts';
import { Workload } from './workload.ts';

export interface PrefixOptions {
  /** Tokens of the prompts; cut to what the context holds beside one token of answer. */
  readonly prompt: number;
  readonly rounds: number;
}

export interface PrefixResult {
  readonly scheme: string;
  readonly prompt: number;
  /** Of these, tokens found in the cache when the prompt came again. */
  readonly found: number;
  /** Seconds to the first token, medians over the rounds. */
  readonly unseen: number;
  readonly seen: number;
  readonly times: number;
}

export function benchPrefix(loaded: LoadedScheme, options: PrefixOptions): PrefixResult {
  const { maxPositions, vocabSize, weightBytes } = loaded;
  const prompt = Math.min(options.prompt, maxPositions - 1);
  // Room for one sequence alone: what is found is what the round itself has left.
  using driver = new Driver(loaded.engineIn(weightBytes + loaded.sequenceBytes(prompt + 1)));
  const workload = new Workload();
  const firstToken = (tokens: Int32Array) => {
    const { arrivedAt, tokenTimes } = driver.add({ prompt: tokens, answer: 1 });
    while (driver.numOpen > 0) driver.step();
    return tokenTimes[0]! - arrivedAt;
  };
  const [unseen, seen]: [number[], number[]] = [[], []];
  // The round before the first warms up.
  for (let round = 0; round <= options.rounds; round++) {
    const tokens = workload.tokens(round, { count: prompt, vocabSize });
    const times = [firstToken(tokens), firstToken(tokens)] as const;
    if (round === 0) continue;
    unseen.push(times[0]);
    seen.push(times[1]);
  }
  const medians = { unseen: percentiles(unseen).p50, seen: percentiles(seen).p50 };
  const found = driver.engine.core.stats().prefixCacheHits / (options.rounds + 1);
  return { scheme: loaded.name, prompt, found, ...medians, times: medians.unseen / medians.seen };
}
