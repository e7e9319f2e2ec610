// A body of /v1/chat/completions as work for the engine and a writer of its answer.
import type { ServerContext, Service } from '../context.ts';
import { RequestError } from '../openai-errors.ts';
import { chatCompletionId } from '../request-ids.ts';
import type { AnswerPlan } from '../respond.ts';
import type { ChatBody } from '../schemas/chat.ts';
import { answerHead } from './answer.ts';
import { ChatAnswer, type ChatDelta } from './chat-answer.ts';
import { encodeChat } from './chat-prompt.ts';
import { chatTools } from './chat-tools.ts';
import { promptLogprobs } from './prompt-logprobs.ts';
import { outputLength } from './prompts.ts';
import { refuseUnsupported, samplingRequest, unsupported, withoutUndefined } from './sampling-request.ts';
import { TokenNames } from './token-names.ts';

/** Throws `not-supported`, `bad-request` or `context-length-exceeded`. */
export function planChat(context: ServerContext, service: Service, body: ChatBody): AnswerPlan<ChatDelta> {
  refuse(body);
  const { n = 1, stream = false, stream_options: streamOptions, reasoning_effort: effort } = body;
  const { tokenizer } = service.engine;
  const { tools, newCallParser, grammar, namedFunction, keepSpecialTokens } = chatTools(
    body,
    service.toolFormat,
  );
  if (grammar !== undefined && body.structured_outputs !== undefined)
    throw new RequestError(
      'bad-request',
      "Invalid 'structured_outputs': the answer is held by response_format or tools already.",
      { param: 'structured_outputs' },
    );
  const prompt = encodeChat(service, {
    messages: body.messages,
    tools,
    addGenerationPrompt: body.add_generation_prompt ?? true,
    variables: { ...withoutUndefined({ reasoning_effort: effort }), ...body.chat_template_kwargs },
  });
  const maxTokens = outputLength(service, {
    promptTokens: prompt.length,
    asked: body.max_completion_tokens ?? body.max_tokens,
    limit: context.options.maxOutputTokens,
    param: 'messages',
  });
  const { prompt_logprobs: top } = body;
  const topLogprobs = body.logprobs === true ? (body.top_logprobs ?? 0) : undefined;
  const request = {
    ...samplingRequest(body, service),
    prompt,
    maxTokens,
    ...withoutUndefined({ logprobs: topLogprobs, promptLogprobs: top, grammar }),
    ...(keepSpecialTokens && { skipSpecialTokens: false }),
  };
  const writer = new ChatAnswer({
    head: answerHead(context, service, chatCompletionId()),
    choices: n,
    topLogprobs,
    names: new TokenNames({ tokenizer, asIds: body.return_tokens_as_token_ids ?? false }),
    newCallParser,
    namedFunction,
    ...(body.return_token_ids === true && { promptIds: prompt }),
    ...(top !== undefined && { scorePrompt: (event) => promptLogprobs(event, { tokenizer, top }) }),
  });
  return {
    jobs: [{ request, firstChoice: 0 }],
    writer,
    stream,
    includeUsage: streamOptions?.include_usage ?? false,
    continuousUsage: streamOptions?.continuous_usage_stats ?? false,
  };
}

function refuse(body: ChatBody): void {
  refuseUnsupported(body);
  const given = (value: unknown) => value !== undefined && value !== null;
  if (given(body.functions) || given(body.function_call))
    throw unsupported(given(body.functions) ? 'functions' : 'function_call', 'use "tools" and "tool_choice"');
  if (given(body.audio) || body.modalities?.some((modality) => modality !== 'text'))
    throw unsupported('modalities', 'the answer is text');
}
