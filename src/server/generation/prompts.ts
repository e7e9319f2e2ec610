// Prompts as token ids, and how long their answers may be.
import { AtomError } from '../../errors.ts';
import type { Service } from '../context.ts';
import { RequestError } from '../openai-errors.ts';
import type { Prompt } from '../schemas/completion.ts';
import { unknownToken } from './sampling-request.ts';

/** How far beyond the context a text is counted, so that its client learns by how much to shorten it. */
const COUNTED_BEYOND = 2 ** 16;

/**
 * What `encode` gives for a text of at most so many tokens. Throws `context-length-exceeded`, without reading to the end
 * of a text that is too long by far: it would hold up everybody's streams.
 */
export function encodeWithin(
  { maxModelLen }: Service,
  param: 'prompt' | 'messages',
  encode: (maxTokens: number) => Int32Array,
): Int32Array {
  const most = maxModelLen + COUNTED_BEYOND;
  try {
    return encode(most);
  } catch (cause) {
    if (!(cause instanceof AtomError && cause.code === 'context-length-exceeded')) throw cause;
    throw new RequestError(
      'context-length-exceeded',
      `This model's maximum context length is ${maxModelLen} tokens. However, you requested more than ${most} tokens ` +
        `in the ${param}. Please reduce the length of the ${param}.`,
      { param, cause },
    );
  }
}

/** Throws `bad-request` for ids the model does not have and for a prompt without tokens. */
export function encodePrompt(service: Service, prompt: Prompt, addSpecialTokens: boolean): Int32Array {
  const { vocabSize, engine } = service;
  if (typeof prompt === 'string') {
    const ids = encodeWithin(service, 'prompt', (maxTokens) =>
      engine.tokenizer.encode(prompt, { addSpecialTokens, maxTokens }),
    );
    if (ids.length > 0) return ids;
    throw new RequestError(
      'bad-request',
      "Invalid 'prompt': it is empty, and the model needs a token to begin with.",
      {
        param: 'prompt',
        openaiCode: 'invalid_value',
      },
    );
  }
  const unknown = prompt.find((id) => id >= vocabSize);
  if (unknown !== undefined) throw unknownToken('prompt', unknown, vocabSize);
  return Int32Array.from(prompt);
}

export interface OutputLength {
  readonly promptTokens: number;
  /** What the client asked for; undefined for as long as there is room. */
  readonly asked: number | undefined;
  /** What is taken where nothing was asked for. */
  readonly byDefault?: number;
  /** The operator's limit. */
  readonly limit: number | undefined;
  /** The field that the prompt came in. */
  readonly param: 'prompt' | 'messages';
}

/** Tokens the answer may have. Throws `context-length-exceeded`, or `bad-request` beyond the operator's limit. */
export function outputLength(service: Service, length: OutputLength): number {
  const {
    promptTokens,
    asked,
    byDefault = Number.POSITIVE_INFINITY,
    limit = Number.POSITIVE_INFINITY,
    param,
  } = length;
  const { maxModelLen } = service;
  if (asked !== undefined && asked > limit) {
    const message = `this server gives at most ${limit} tokens per answer, and ${asked} were asked for`;
    throw new RequestError('bad-request', message, {
      param: 'max_tokens',
      openaiCode: 'integer_above_max_value',
    });
  }
  const room = maxModelLen - promptTokens;
  // An echoed prompt may fill the context where no token is asked for.
  if (room < (asked ?? 1)) {
    const wanted = asked === undefined ? '' : `, ${asked} for the answer`;
    throw new RequestError(
      'context-length-exceeded',
      `This model's maximum context length is ${maxModelLen} tokens. However, you requested ` +
        `${promptTokens + (asked ?? 1)} tokens (${promptTokens} in the ${param}${wanted}). ` +
        `Please reduce the length of the ${param} or of the answer.`,
      { param },
    );
  }
  return asked ?? Math.min(room, byDefault, limit);
}
