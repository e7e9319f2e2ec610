// What a zero-shot task asks of a model: how probable a continuation is after a context. As text, and as tokens
// split the way lm-evaluation-harness (0.4.9) splits them. It must not know tasks, nor how models run.
import { AtomError } from '../errors.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { trailingSpace } from './tasks/python-text.ts';

export interface LikelihoodRequest {
  readonly context: string;
  readonly continuation: string;
}

export interface Likelihood {
  /** Natural log-probability of the whole continuation. */
  readonly logProb: number;
  /** Whether every token of the continuation is the most probable one at its place. */
  readonly greedy: boolean;
}

export interface ScoreOptions {
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** Whoever answers likelihood requests. Requests of one group are expected to share the beginning of their text. */
export interface LikelihoodScorer {
  score(
    groups: readonly (readonly LikelihoodRequest[])[],
    options?: ScoreOptions,
  ): Promise<readonly (readonly Likelihood[])[]>;
}

/** The tokens of a request: `ids` of context and continuation, of which the last `scored` are the continuation. */
export interface TokenRequest {
  readonly ids: Int32Array;
  readonly scored: number;
}

export interface EncodeOptions {
  readonly tokenizer: Tokenizer;
  /** Put the model's bos before every context. The harness does not, unless told `add_bos_token=True`. */
  readonly addBos: boolean;
  /** Longest input of the model; older context is cut off. */
  readonly maxLength: number;
}

/**
 * Context and continuation are tokenized as one text and cut where the context alone would end, so that tokens are
 * those the model knows; space at the end of the context moves to the continuation. An empty context is one bos.
 * Throws `context-length-exceeded` when the continuation alone does not fit.
 */
export function encodeRequest(
  { context, continuation }: LikelihoodRequest,
  { tokenizer, addBos, maxLength }: EncodeOptions,
): TokenRequest {
  const space = trailingSpace(context);
  const given = context.slice(0, context.length - space.length);
  const bos = beginToken(tokenizer);
  const encode = (text: string) => [...tokenizer.encode(text, { addSpecialTokens: false })];
  const whole = encode(given + space + continuation);
  const own = encode(given);
  const lead = addBos || own.length === 0 ? [bos] : [];
  // A text that spells bos itself is not given a second one.
  if (lead.length > 0 && whole[0] === bos) lead.pop();
  const contextLength = Math.max(lead.length + own.length, 1);
  const all = [...lead, ...whole];
  const scored = Math.max(all.length - contextLength, 0);
  if (scored > maxLength) {
    throw new AtomError(
      'context-length-exceeded',
      `a continuation of ${scored} tokens does not fit the model's context of ${maxLength}`,
    );
  }
  // The last token is predicted, not read: one more than the model's context can be used.
  return { ids: Int32Array.from(all.slice(-(maxLength + 1))), scored };
}

function beginToken({ bosId, eosId }: Tokenizer): number {
  const token = bosId ?? eosId;
  if (token === undefined) {
    throw new AtomError(
      'bad-tokenizer',
      'the tokenizer has neither bos nor eos to begin an empty context with',
    );
  }
  return token;
}
