// The sampling fields of a body in the engine's words. What is absent stays absent: the engine then takes the model's own
// generation settings.
import type { GenerateRequest } from '../../engine/engine-types.ts';
import type { Service } from '../context.ts';
import { RequestError } from '../openai-errors.ts';
import type { SamplingBody } from '../schemas/sampling.ts';
import { grammarOf } from './structured-outputs.ts';

export type SamplingRequest = Omit<GenerateRequest, 'prompt' | 'maxTokens' | 'logprobs' | 'promptLogprobs'>;

/** Throws `bad-request` for a bias of a token that the model does not have. */
export function samplingRequest(
  body: SamplingBody,
  { vocabSize }: Pick<Service, 'vocabSize'>,
): SamplingRequest {
  for (const id of body.logit_bias?.keys() ?? [])
    if (id >= vocabSize) throw unknownToken('logit_bias', id, vocabSize);
  const { stop = [], stop_token_ids: stopTokenIds = [], top_k: topK } = body;
  return withoutUndefined({
    n: body.n,
    temperature: body.temperature,
    topK: topK === -1 ? 0 : topK,
    topP: body.top_p,
    minP: body.min_p,
    presencePenalty: body.presence_penalty,
    frequencyPenalty: body.frequency_penalty,
    repetitionPenalty: body.repetition_penalty,
    logitBias: body.logit_bias,
    seed: body.seed,
    stop: stop.length > 0 ? stop : undefined,
    includeStopInText: body.include_stop_str_in_output,
    stopTokenIds: stopTokenIds.length > 0 ? stopTokenIds : undefined,
    ignoreEos: body.ignore_eos,
    minTokens: body.min_tokens,
    skipSpecialTokens: body.skip_special_tokens,
    grammar: body.structured_outputs && grammarOf(body.structured_outputs),
    // The engine's way round: the higher goes first.
    priority: body.priority === undefined ? undefined : -body.priority,
  });
}

/** Throws `not-supported` for fields that are valid in the API but that this server does not do. */
export function refuseUnsupported(body: SamplingBody): void {
  if (body.best_of !== undefined && body.best_of !== (body.n ?? 1))
    throw unsupported('best_of', 'answers are not ranked; ask for n and choose among them');
  for (const name of ['json', 'regex', 'choice', 'grammar'] as const) {
    const old = `guided_${name}` as const;
    if (body[old] !== undefined && body[old] !== null)
      throw unsupported(old, `use "structured_outputs": {"${name}": ...}`);
  }
  if (body.prompt_logprobs !== undefined && body.stream === true)
    throw unsupported('prompt_logprobs', 'in a stream; leave "stream" out');
}

export function unsupported(param: string, hint: string): RequestError {
  return new RequestError('not-supported', `'${param}' is not supported by this server: ${hint}.`, { param });
}

export function unknownToken(param: string, id: number, vocabSize: number): RequestError {
  const message = `Invalid '${param}': the token id ${id} is not below the vocabulary's size, ${vocabSize}.`;
  return new RequestError('bad-request', message, { param, openaiCode: 'invalid_value' });
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };

/** The object without its undefined fields. */
export function withoutUndefined<T extends object>(fields: T): Partial<Defined<T>> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<
    Defined<T>
  >;
}
