// Fields that completions and chat completions share: how many answers, how they are sampled, when they end, how they
// are sent. OpenAI's own, and those that clients of vLLM send beside them. Unknown fields pass unseen.
import { z } from 'zod';
import { optional } from './parse.ts';

const MAX_STOPS = 64;

/** As vLLM has them: one of these says what the answer must match. */
const structuredOutputs = z
  .looseObject({
    json: optional(z.union([z.record(z.string(), z.unknown()), z.string()])),
    json_object: optional(z.literal(true)),
    regex: optional(z.string().min(1)),
    choice: optional(z.array(z.string()).min(1)),
    grammar: optional(z.string().min(1)).meta({ description: 'EBNF rules, the first named root' }),
    structural_tag: optional(z.record(z.string(), z.unknown())),
  })
  .refine(
    (fields) => Object.values(fields).filter((value) => value !== undefined).length === 1,
    'expected exactly one of json, json_object, regex, choice, grammar and structural_tag',
  );

export type StructuredOutputs = z.output<typeof structuredOutputs>;

const tokenId = z.int().min(0);
const stopText = z.string().min(1, 'a stop string must not be empty').max(1024);

const stop = z
  .union([stopText, z.array(stopText).max(MAX_STOPS)])
  .transform((value) => (typeof value === 'string' ? [value] : value));

/** Seeds beyond 2^53 arrive rounded, which does no harm. */
const seed = z.number().refine(Number.isInteger, 'expected a whole number');

const biasKey = /^\d{1,9}$/;
const logitBias = z
  .record(z.string(), z.number().min(-100).max(100))
  .refine(
    (record) => Object.keys(record).every((key) => biasKey.test(key)),
    'every key must be a token id as text',
  )
  .transform((record) => new Map(Object.entries(record).map(([key, bias]) => [Number(key), bias])))
  .meta({ description: 'added to the logits of tokens: {"token id": -100..100}' });

export const streamOptions = z.looseObject({
  include_usage: optional(z.boolean()).meta({ description: 'a last chunk with the usage and no choices' }),
  continuous_usage_stats: optional(z.boolean()).meta({ description: 'the usage so far in every chunk' }),
});

export const samplingFields = {
  model: optional(z.string().max(1024)).meta({ description: "the served model's name; may be left out" }),
  n: optional(z.int().min(1).max(128)).meta({ description: 'answers to each prompt' }),
  stream: optional(z.boolean()),
  stream_options: optional(streamOptions),

  temperature: optional(z.number().min(0).max(2)).meta({ description: '0 takes the most probable token' }),
  top_p: optional(z.number().min(0).max(1)),
  top_k: optional(z.int().min(-1)).meta({ description: 'only the k most probable tokens; 0 and -1 for all' }),
  min_p: optional(z.number().min(0).max(1)),
  presence_penalty: optional(z.number().min(-2).max(2)),
  frequency_penalty: optional(z.number().min(-2).max(2)),
  repetition_penalty: optional(z.number().gt(0).max(100)),
  logit_bias: optional(logitBias),
  seed: optional(seed).meta({ description: 'the same seed gives the same text, whatever else runs' }),

  stop: optional(stop).meta({ description: `up to ${MAX_STOPS} strings that end the answer` }),
  stop_token_ids: optional(z.array(tokenId).max(1024)),
  include_stop_str_in_output: optional(z.boolean()),
  ignore_eos: optional(z.boolean()),
  min_tokens: optional(z.int().min(0)),

  structured_outputs: optional(structuredOutputs).meta({ description: 'what the answer must match' }),
  skip_special_tokens: optional(z.boolean()),
  return_token_ids: optional(z.boolean()).meta({ description: 'tokens of the prompt and of each answer' }),
  return_tokens_as_token_ids: optional(z.boolean()),
  prompt_logprobs: optional(z.int().min(0).max(20)).meta({
    description: 'how probable each token of the prompt is, and so many others; not of streams',
  }),
  priority: optional(z.int()).meta({ description: 'lower goes first' }),
};

/** What no field of the schemas can express: refused rather than ignored. */
export const refusedFields = {
  best_of: optional(z.int().min(1)),
  guided_json: z.unknown().optional(),
  guided_regex: z.unknown().optional(),
  guided_choice: z.unknown().optional(),
  guided_grammar: z.unknown().optional(),
};

const sampling = z.looseObject({ ...samplingFields, ...refusedFields });

export type SamplingBody = z.output<typeof sampling>;
