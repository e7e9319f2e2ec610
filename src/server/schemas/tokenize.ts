// The bodies of POST /tokenize and POST /detokenize, as vLLM has them; lm-eval's remote tokenizer sends the first form.
import { z } from 'zod';
import { chatBody } from './chat.ts';
import { optional } from './parse.ts';

/** One text keeps the thread that all streams share; this much takes a third of a second. */
const LONGEST_TEXT = 2 ** 20;

export const tokenizeBody = z
  .looseObject({
    model: optional(z.string().max(1024)),
    prompt: optional(z.string().max(LONGEST_TEXT)),
    messages: optional(chatBody.shape.messages),
    tools: chatBody.shape.tools,
    add_special_tokens: optional(z.boolean()).meta({ description: 'default true for a prompt' }),
    add_generation_prompt: optional(z.boolean()),
    chat_template_kwargs: chatBody.shape.chat_template_kwargs,
    return_token_strs: optional(z.boolean()),
  })
  .superRefine(({ prompt, messages }, context) => {
    if ((prompt === undefined) === (messages === undefined)) {
      const reason = 'give either "prompt" or "messages"';
      context.addIssue({ code: 'custom', message: reason, path: ['prompt'] });
    }
  });

export type TokenizeBody = z.output<typeof tokenizeBody>;

export const detokenizeBody = z.looseObject({
  model: optional(z.string().max(1024)),
  tokens: z.array(z.int().min(0)).max(LONGEST_TEXT),
  skip_special_tokens: optional(z.boolean()).meta({ description: 'default false' }),
});
