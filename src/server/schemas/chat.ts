// The body of POST /v1/chat/completions: messages, tools, response format.
import { z } from 'zod';
import { optional } from './parse.ts';
import { refusedFields, samplingFields } from './sampling.ts';

const textPart = z.looseObject({
  type: z.string(),
  text: z.string().optional(),
  refusal: z.string().optional(),
});

const parts = z.array(textPart).superRefine((list, context) => {
  for (const [i, part] of list.entries()) {
    if (part.type === 'text' && part.text !== undefined) continue;
    if (part.type === 'refusal' && part.refusal !== undefined) continue;
    const message =
      part.type === 'text'
        ? 'a text part needs "text"'
        : `this model reads text only, not parts of type "${part.type}"`;
    context.addIssue({ code: 'custom', message, path: [i, part.type === 'text' ? 'text' : 'type'] });
    return;
  }
});

const content = z.union([z.string(), parts], {
  error: 'expected a string or an array of text parts',
});

const toolCall = z.looseObject({
  id: z.string().max(256),
  type: z.literal('function').optional(),
  function: z.looseObject({ name: z.string(), arguments: z.string() }),
});

const roles = ['system', 'developer', 'user', 'assistant', 'tool'] as const;

const message = z
  .looseObject({
    role: z.enum(roles),
    content: optional(content),
    refusal: optional(z.string()),
    name: optional(z.string()),
    tool_calls: optional(z.array(toolCall).max(128)),
    tool_call_id: optional(z.string().max(256)),
  })
  .superRefine((body, context) => {
    const { role, content: text, tool_call_id: callId } = body;
    const issue = (field: string, reason: string) =>
      context.addIssue({ code: 'custom', message: reason, path: [field] });
    // Clients send an empty answer, or one that refused, back as they got it.
    if (text === undefined && role !== 'assistant')
      issue('content', `a message of the ${role} needs content`);
    if (body.function_call !== undefined && body.function_call !== null)
      issue('function_call', 'use "tool_calls"');
    if (role === 'tool' && callId === undefined) issue('tool_call_id', "a tool's message names its call");
  });

const functionName = z
  .string()
  .regex(/^[a-zA-Z0-9_.-]{1,64}$/, 'expected 1 to 64 letters, digits, underscores, dots and dashes');

const tool = z.looseObject({
  type: z.literal('function', 'only tools of type "function" are supported'),
  function: z.looseObject({
    name: functionName,
    description: optional(z.string()),
    parameters: optional(z.record(z.string(), z.unknown())),
    strict: optional(z.boolean()),
  }),
});

const namedFunction = z.looseObject({
  type: z.literal('function'),
  function: z.looseObject({ name: z.string() }),
});

const toolChoice = z.union(
  [
    z.enum(['none', 'auto', 'required']),
    namedFunction,
    z.looseObject({
      type: z.literal('allowed_tools'),
      allowed_tools: z.looseObject({
        mode: z.enum(['auto', 'required']),
        tools: z.array(namedFunction).min(1),
      }),
    }),
  ],
  {
    error:
      'expected "none", "auto", "required", {"type": "function", "function": {"name": ...}} or allowed_tools',
  },
);

const responseFormat = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('text') }),
  z.looseObject({ type: z.literal('json_object') }),
  z.looseObject({
    type: z.literal('json_schema'),
    json_schema: z.looseObject({
      name: z
        .string()
        .regex(/^[a-zA-Z0-9_-]{1,64}$/, 'expected 1 to 64 letters, digits, underscores and dashes'),
      description: optional(z.string()),
      schema: optional(z.record(z.string(), z.unknown())),
      strict: optional(z.boolean()),
    }),
  }),
]);

export const chatBody = z
  .looseObject({
    ...samplingFields,
    ...refusedFields,
    messages: z.array(message).min(1, 'there must be at least one message').max(4096),
    max_tokens: optional(z.int().min(1)),
    max_completion_tokens: optional(z.int().min(1)).meta({ description: 'goes before max_tokens' }),
    logprobs: optional(z.boolean()),
    top_logprobs: optional(z.int().min(0).max(20)),
    response_format: optional(responseFormat),
    tools: optional(z.array(tool).max(128)),
    tool_choice: optional(toolChoice),
    parallel_tool_calls: optional(z.boolean()),
    reasoning_effort: optional(z.string().max(32)),
    chat_template_kwargs: optional(z.record(z.string(), z.unknown())),
    add_generation_prompt: optional(z.boolean()),
    functions: z.unknown().optional(),
    function_call: z.unknown().optional(),
    audio: z.unknown().optional(),
    modalities: optional(z.array(z.string())),
  })
  .superRefine(({ top_logprobs: top, logprobs }, context) => {
    if (top !== undefined && top > 0 && logprobs !== true) {
      const reason = 'needs "logprobs" to be true';
      context.addIssue({ code: 'custom', message: reason, path: ['top_logprobs'] });
    }
  });

export type ChatBody = z.output<typeof chatBody>;
export type ChatBodyMessage = ChatBody['messages'][number];
export type ToolBody = z.output<typeof tool>;
export type ToolChoice = z.output<typeof toolChoice>;
export type ResponseFormat = z.output<typeof responseFormat>;
