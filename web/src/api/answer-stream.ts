// A streamed answer of /v1/chat/completions or /v1/completions as pieces of text with their tokens, whichever of the two
// it comes from. Frames: OpenAI's API reference, "chat.completion.chunk" and "text_completion".
import { ApiError, type Call, call, errorIn, sentence } from './request.ts';
import { readEvents } from './sse.ts';

export interface Candidate {
  readonly text: string;
  readonly logprob: number;
}

/** One token as the model chose it. */
export interface Token extends Candidate {
  /** The most probable tokens at this place, best first; the chosen one may be among them. */
  readonly others: readonly Candidate[];
}

export interface Piece {
  readonly text: string;
  /** Empty unless log-probabilities were asked for. */
  readonly tokens: readonly Token[];
  readonly finish: string | undefined;
  readonly usage: Usage | undefined;
  /** When it came, in milliseconds as performance.now() counts. */
  readonly at: number;
}

export interface Usage {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
}

export type AnswerPath = '/v1/chat/completions' | '/v1/completions';

/** Sends `body` and yields what comes. Throws ApiError; an abort by `signal` throws its reason. */
export async function* streamAnswer(path: AnswerPath, body: object, options: Call): AsyncGenerator<Piece> {
  const usage = { include_usage: true, continuous_usage_stats: true };
  const response = await call(path, { ...options, body: { ...body, stream: true, stream_options: usage } });
  let complete = false;
  for await (const data of readEvents(response.body!)) {
    if (data === '[DONE]') {
      complete = true;
      break;
    }
    yield pieceOf(JSON.parse(data) as Frame);
  }
  if (!complete)
    throw new ApiError('The connection broke off before the answer was complete.', { status: 0 });
}

interface Frame {
  readonly choices: readonly {
    readonly text?: string;
    readonly delta?: { readonly content?: string | null };
    readonly logprobs?: ChatLogprobs | CompletionLogprobs | null;
    readonly finish_reason?: string | null;
  }[];
  readonly usage?: {
    readonly prompt_tokens: number;
    readonly completion_tokens: number;
    readonly prompt_tokens_details?: { readonly cached_tokens?: number };
  } | null;
}

interface NamedLogprob {
  readonly token: string;
  readonly logprob: number;
}

interface ChatLogprobs {
  readonly content: readonly (NamedLogprob & { readonly top_logprobs: readonly NamedLogprob[] })[];
}

interface CompletionLogprobs {
  readonly tokens: readonly string[];
  readonly token_logprobs: readonly (number | null)[];
  readonly top_logprobs: readonly (Readonly<Record<string, number>> | null)[];
}

function pieceOf(frame: Frame): Piece {
  const error = errorIn(frame);
  if (error)
    throw new ApiError(sentence(error.message), { status: 200, ...(error.code && { code: error.code }) });
  const [choice] = frame.choices;
  const { usage } = frame;
  return {
    text: choice?.delta?.content ?? choice?.text ?? '',
    tokens: choice?.logprobs ? tokensOf(choice.logprobs) : [],
    finish: choice?.finish_reason ?? undefined,
    usage: usage
      ? {
          promptTokens: usage.prompt_tokens,
          cachedTokens: usage.prompt_tokens_details?.cached_tokens ?? 0,
          completionTokens: usage.completion_tokens,
        }
      : undefined,
    at: performance.now(),
  };
}

function tokensOf(logprobs: ChatLogprobs | CompletionLogprobs): Token[] {
  if ('content' in logprobs) {
    return logprobs.content.map(({ token, logprob, top_logprobs }) => ({
      text: token,
      logprob,
      others: top_logprobs.map((other) => ({ text: other.token, logprob: other.logprob })),
    }));
  }
  return logprobs.tokens.map((text, i) => ({
    text,
    logprob: logprobs.token_logprobs[i] ?? 0,
    others: Object.entries(logprobs.top_logprobs[i] ?? {})
      .map(([name, logprob]) => ({ text: name, logprob }))
      .sort((a, b) => b.logprob - a.logprob),
  }));
}
