// A body of /v1/completions as work for the engine and a writer of its answer.
import type { ServerContext, Service } from '../context.ts';
import { completionId } from '../request-ids.ts';
import type { AnswerPlan } from '../respond.ts';
import type { CompletionBody, Prompt } from '../schemas/completion.ts';
import { answerHead, type Job } from './answer.ts';
import { CompletionAnswer, type CompletionDelta } from './completion-answer.ts';
import { CompletionLogprobsWriter } from './completion-logprobs.ts';
import { promptLogprobs } from './prompt-logprobs.ts';
import { encodePrompt, outputLength } from './prompts.ts';
import { refuseUnsupported, samplingRequest, unsupported, withoutUndefined } from './sampling-request.ts';
import { TokenNames } from './token-names.ts';

/** What OpenAI's API gives where the client does not say. */
const DEFAULT_MAX_TOKENS = 16;

/** Throws `not-supported`, `bad-request` or `context-length-exceeded`. */
export async function planCompletion(
  context: ServerContext,
  service: Service,
  body: CompletionBody,
): Promise<AnswerPlan<CompletionDelta>> {
  refuseUnsupported(body);
  if (body.suffix !== undefined && body.suffix !== '')
    throw unsupported('suffix', 'this model continues text, it does not fill in');
  const { n = 1, echo = false, logprobs, stream = false, stream_options: streamOptions } = body;
  const { tokenizer } = service.engine;
  // Before any of a million prompts is encoded.
  service.admission.checkFits(body.prompt.length * n);
  const sampling = samplingRequest(body, service);
  const encoded: Int32Array[] = [];
  for (const prompt of body.prompt) {
    // Other streams go on between two prompts.
    if (encoded.length > 0) await new Promise((resolve) => setImmediate(resolve));
    encoded.push(encodePrompt(service, prompt, body.add_special_tokens ?? true));
  }
  const jobs = encoded.map((ids, i): Job => {
    const maxTokens = outputLength(service, {
      promptTokens: ids.length,
      asked: body.max_tokens,
      byDefault: DEFAULT_MAX_TOKENS,
      limit: context.options.maxOutputTokens,
      param: 'prompt',
    });
    const scores = { logprobs, promptLogprobs: most(echo ? logprobs : undefined, body.prompt_logprobs) };
    return {
      request: { ...sampling, prompt: ids, maxTokens, ...withoutUndefined(scores) },
      firstChoice: i * n,
    };
  });
  const echoOf = (prompt: Prompt) =>
    // As it was encoded: half a surrogate pair is no text.
    typeof prompt === 'string' ? Buffer.from(prompt).toString('utf8') : tokenizer.decode(prompt);
  /** What belongs to each prompt, for each of its choices. */
  const byChoice = <T>(ofPrompts: readonly T[]) => ofPrompts.flatMap((each) => Array<T>(n).fill(each));
  const names = new TokenNames({ tokenizer, asIds: body.return_tokens_as_token_ids ?? false });
  const writerOf = (prompt: Int32Array, top: number) => {
    const detokenizer = tokenizer.detokenizer({
      skipSpecialTokens: body.skip_special_tokens ?? true,
      ...(!echo && { after: prompt }),
    });
    return new CompletionLogprobsWriter({ names, top, detokenizer });
  };
  const { prompt_logprobs: top } = body;
  const writer = new CompletionAnswer({
    head: answerHead(context, service, completionId()),
    choices: body.prompt.length * n,
    echoes: echo ? byChoice(body.prompt.map(echoOf)) : undefined,
    ...(logprobs !== undefined && {
      logprobs: byChoice(encoded).map((prompt) => writerOf(prompt, logprobs)),
    }),
    ...(body.return_token_ids === true && { promptIds: byChoice(encoded) }),
    ...(top !== undefined && { scorePrompt: (event) => promptLogprobs(event, { tokenizer, top }) }),
  });
  return {
    jobs,
    writer,
    stream,
    includeUsage: streamOptions?.include_usage ?? false,
    continuousUsage: streamOptions?.continuous_usage_stats ?? false,
  };
}

/** The larger of two numbers of which either may be missing. */
const most = (a: number | undefined, b: number | undefined) =>
  a === undefined || b === undefined ? (a ?? b) : Math.max(a, b);
