// The body of POST /v1/completions.
import { z } from 'zod';
import { optional } from './parse.ts';
import { refusedFields, samplingFields } from './sampling.ts';

/** Each prompt is a text or token ids. */
export type Prompt = string | readonly number[];

const expected = 'expected a string, an array of strings, an array of token ids, or an array of those';

const isIds = (value: unknown): value is number[] =>
  Array.isArray(value) && value.length > 0 && value.every((id) => Number.isSafeInteger(id) && id >= 0);

// Written out rather than as a union: a union would collect an issue per token of a long array.
const prompts = z
  .unknown()
  .transform((value, context): Prompt[] => {
    if (typeof value === 'string') return [value];
    if (isIds(value)) return [value];
    if (Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'string'))
      return value;
    if (Array.isArray(value) && value.length > 0 && value.every(isIds)) return value;
    const problem = value === undefined ? 'a prompt is required' : expected;
    context.addIssue({ code: 'custom', message: problem });
    return z.NEVER;
  })
  .meta({
    description: 'what to continue',
    anyOf: [
      { type: 'string' },
      { type: 'array', items: { type: 'string' } },
      { type: 'array', items: { type: 'integer' } },
      { type: 'array', items: { type: 'array', items: { type: 'integer' } } },
    ],
  });

export const completionBody = z
  .looseObject({
    ...samplingFields,
    ...refusedFields,
    prompt: prompts,
    max_tokens: optional(z.int().min(0)).meta({ description: 'default 16' }),
    echo: optional(z.boolean()).meta({ description: 'the answer begins with the prompt' }),
    logprobs: optional(z.int().min(0).max(20)),
    suffix: optional(z.string()),
    add_special_tokens: optional(z.boolean()),
  })
  .superRefine(({ max_tokens: maxTokens, echo }, context) => {
    if (maxTokens === 0 && echo !== true)
      context.addIssue({
        code: 'custom',
        message: 'must be at least 1 unless "echo" is true',
        path: ['max_tokens'],
      });
  });

export type CompletionBody = z.output<typeof completionBody>;
