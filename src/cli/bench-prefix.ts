// `atom bench prefix`: prompts that were seen before, against prompts that were not.
import { Command } from 'commander';
import { benchPrefix, type PrefixResult } from '../bench/prefix.ts';
import {
  chosenModels,
  type ModelOptions,
  machineSettings,
  tableLine,
  withModelOptions,
} from './bench-options.ts';
import { positiveInteger } from './option-types.ts';

interface Options extends ModelOptions {
  readonly prompt: number;
  readonly rounds?: number;
}

export function benchPrefixCommand(): Command {
  return withModelOptions(
    new Command('prefix')
      .description('time to the first token of a prompt that was seen before, against one that was not')
      .option('--prompt <n>', 'tokens of each prompt', positiveInteger, 1500)
      .option('--rounds <n>', 'prompts that are asked, each twice (default: 5)', positiveInteger),
  ).action(prefix);
}

function prefix(options: Options): void {
  const { json, quick, prompt } = options;
  const { shape, layers, schemes, load } = chosenModels(options, { maxBatch: 1 });
  const rounds = options.rounds ?? (quick ? 2 : 5);
  if (!json) console.log(tableLine(widths, ['scheme', 'prompt', 'found', 'unseen ms', 'seen ms', 'times']));
  const results = schemes.map((scheme) => {
    using loaded = load(scheme);
    const result = benchPrefix(loaded, { prompt, rounds });
    if (!json) console.log(lineOf(result));
    return result;
  });
  if (json) console.log(JSON.stringify({ results, settings: machineSettings({ shape, layers, rounds }) }));
}

const widths = [10, 6, 6, 10, 10, 7];

const lineOf = ({ scheme, prompt, found, unseen, seen, times }: PrefixResult) =>
  tableLine(widths, [
    ...[scheme, prompt, found],
    ...[(unseen * 1000).toFixed(1), (seen * 1000).toFixed(1), `${times.toFixed(1)}x`],
  ]);
