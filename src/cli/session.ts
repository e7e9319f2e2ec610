// What `generate` and `chat` share: options of sampling, and a model with its tokenizer and session.
import type { Command } from 'commander';
import { Option } from 'commander';
import { CpuBackend } from '../backend/cpu/cpu-backend.ts';
import type { GenerationConfig } from '../checkpoint/generation-config.ts';
import { openCheckpoint } from '../checkpoint/open-checkpoint.ts';
import { recommendedSampling } from '../engine/prepare-request.ts';
import type { SamplingOptions } from '../engine/sampling-options.ts';
import { type GenerateOptions, Session } from '../engine/session.ts';
import { loadModel } from '../model/load-model.ts';
import type { Compute } from '../model/plain-source.ts';
import { loadTokenizer } from '../tokenizer/load-tokenizer.ts';
import { StopStrings } from '../tokenizer/stop-strings.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { numberBetween, positiveInteger, wholeNumber } from './option-types.ts';

export interface SessionOptions extends SamplingOptions {
  readonly maxTokens: number;
  readonly stop: readonly string[];
  readonly context?: number;
  readonly compute: Compute;
}

export function addSessionOptions(command: Command): Command {
  return command
    .option('--max-tokens <n>', 'longest answer', positiveInteger, 256)
    .option(
      '--temperature <t>',
      "0 for the most probable token (default: the model's own, or 1)",
      numberBetween(0, 100),
    )
    .option('--top-k <k>', 'only the k most probable tokens; 0 for all', wholeNumber)
    .option('--top-p <p>', 'only the most probable tokens up to this probability', numberBetween(0, 1))
    .option('--min-p <p>', 'only tokens at least this fraction as probable as the best', numberBetween(0, 1))
    .option('--repetition-penalty <r>', 'above 1 discourages tokens already used', numberBetween(0.01, 100))
    .option('--seed <n>', 'the same seed gives the same text', wholeNumber)
    .option(
      '--stop <text>',
      'end the answer before this text (repeatable)',
      (text: string, all: string[]) => [...all, text],
      [],
    )
    .option(
      '--context <tokens>',
      "longest context, prompt included (default: the model's, at most 4096)",
      positiveInteger,
    )
    .addOption(
      new Option('--compute <type>', 'arithmetic of a plain checkpoint')
        .choices(['f32', 'bf16'])
        .default('bf16'),
    );
}

/** A loaded model that turns prompts into pieces of text. */
export interface TextSession extends Disposable {
  readonly tokenizer: Tokenizer;
  stream(prompt: Int32Array, options?: StreamOptions): AsyncGenerator<string>;
}

export interface StreamOptions {
  readonly signal?: AbortSignal;
  /** Gets every token of the answer. */
  readonly ids?: number[];
  /** Whether the answer goes on in the prompt's sentence, instead of being a text of its own. */
  readonly continues?: boolean;
}

export function openSession(path: string, options: SessionOptions): TextSession {
  const { config, generation } = openCheckpoint(path);
  const tokenizer = loadTokenizer(path, { vocabSize: config.vocabSize });
  const backend = new CpuBackend();
  const maxPositions = Math.min(options.context ?? 4096, config.maxPositions);
  const model = loadModel(path, {
    backend,
    compute: options.compute,
    maxTokens: 256,
    maxOutputs: 1,
    maxPositions,
  });
  const session = new Session({ model, backend, maxPositions });
  const sampling = samplingOf(options, generation);

  async function* stream(
    prompt: Int32Array,
    { signal, ids = [], continues = false }: StreamOptions = {},
  ): AsyncGenerator<string> {
    // A continuation keeps the space that a sentence of its own would lose (SentencePiece).
    const detokenizer = tokenizer.detokenizer(continues ? { after: prompt } : {});
    const stops = new StopStrings(options.stop);
    const settings: GenerateOptions = {
      ...sampling,
      maxTokens: options.maxTokens,
      stopTokenIds: config.eosTokenIds,
      ...(signal && { signal }),
    };
    for await (const id of session.generate(prompt, settings)) {
      ids.push(id);
      const { text, stopped } = stops.push(detokenizer.push([id]));
      if (text !== '') yield text;
      if (stopped !== undefined) return;
    }
    const { text, stopped } = stops.push(detokenizer.flush());
    const rest = stopped === undefined ? text + stops.flush() : text;
    if (rest !== '') yield rest;
  }

  return {
    tokenizer,
    stream,
    [Symbol.dispose]() {
      for (const resource of [session, model, backend]) resource[Symbol.dispose]();
    },
  };
}

/** The command line's settings over the checkpoint's own. */
function samplingOf(options: SessionOptions, generation: GenerationConfig): SamplingOptions {
  const { temperature, topK, topP, minP, repetitionPenalty, seed } = options;
  const chosen = Object.entries({ temperature, topK, topP, minP, repetitionPenalty, seed });
  return {
    ...recommendedSampling(generation),
    ...Object.fromEntries(chosen.filter(([, value]) => value !== undefined)),
  };
}
