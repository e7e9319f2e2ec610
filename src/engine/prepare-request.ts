// A caller's request with every default filled in and every value checked, before it costs anybody anything.
// It must not know queues or threads.
import type { GenerationConfig } from '../checkpoint/generation-config.ts';
import { AtomError } from '../errors.ts';
import type { GenerateRequest } from './engine-types.ts';
import { checkFits, type EngineRequest } from './request.ts';
import type { SamplingOptions } from './sampling-options.ts';

/** What a model says of requests to it. */
export interface RequestDefaults {
  readonly sampling: SamplingOptions;
  /** Tokens that end its answers. */
  readonly eosTokenIds: readonly number[];
  readonly maxModelLen: number;
  readonly vocabSize: number;
}

/** The sampling that a checkpoint recommends. */
export function recommendedSampling(generation: GenerationConfig): SamplingOptions {
  const { doSample, temperature, topK, topP, minP, repetitionPenalty } = generation;
  return withoutAbsent({
    temperature: doSample === false ? 0 : temperature,
    topK,
    topP,
    minP,
    repetitionPenalty,
  });
}

/** Throws `bad-request` for a value that means nothing, `context-length-exceeded` for what never fits. */
export function prepareRequest(
  request: GenerateRequest,
  { id, defaults }: { id: number; defaults: RequestDefaults },
): EngineRequest {
  const { n = 1, minTokens = 0, priority = 0, logprobs, promptLogprobs, grammar } = request;
  const { maxModelLen, vocabSize, eosTokenIds } = defaults;
  const prompt = Int32Array.from(request.prompt);
  // As given: an array of integers makes others of what are none.
  const place = prompt.findIndex((id, i) => id !== request.prompt[i] || id < 0 || id >= vocabSize);
  if (place >= 0) {
    const unknown = request.prompt[place];
    throw new AtomError('bad-request', `the prompt has the token ${unknown}; the model has ${vocabSize}`);
  }
  const room = maxModelLen - prompt.length;
  const maxTokens = request.maxTokens ?? Math.max(1, room);
  for (const [name, value] of Object.entries({ n, maxTokens, minTokens, logprobs, promptLogprobs }))
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= 0))
      throw new AtomError('bad-request', `${name} must be a whole number, not ${value}`);
  // One that is not in order with all others would be looked for in vain.
  if (!Number.isFinite(priority))
    throw new AtomError('bad-request', `the priority must be a number, not ${priority}`);
  if (grammar !== undefined && eosTokenIds.length === 0)
    throw new AtomError(
      'bad-request',
      'a grammar needs a token that ends the answer, and this model has none',
    );
  // A grammar's end is the model's end token; without it the answer would never be complete.
  const own = request.ignoreEos === true && grammar === undefined ? [] : eosTokenIds;
  const prepared: EngineRequest = {
    id,
    prompt,
    n,
    maxTokens,
    minTokens,
    priority,
    stopTokenIds: [...new Set([...own, ...(request.stopTokenIds ?? [])])],
    sampling: samplingOf(request, defaults),
    ...withoutAbsent({ logprobs, promptLogprobs, grammar }),
  };
  checkFits(prepared, maxModelLen);
  return prepared;
}

/** Least and greatest value of each sampling number. */
const ranges = {
  temperature: [0, Number.MAX_VALUE],
  topK: [0, Number.MAX_SAFE_INTEGER],
  topP: [0, 1],
  minP: [0, 1],
  repetitionPenalty: [Number.MIN_VALUE, Number.MAX_VALUE],
  presencePenalty: [-Number.MAX_VALUE, Number.MAX_VALUE],
  frequencyPenalty: [-Number.MAX_VALUE, Number.MAX_VALUE],
  seed: [-Number.MAX_VALUE, Number.MAX_VALUE],
} as const satisfies Partial<Record<keyof SamplingOptions, readonly [number, number]>>;

const samplingNames = Object.keys(ranges) as (keyof typeof ranges)[];

function samplingOf(
  request: GenerateRequest,
  { sampling: recommended, vocabSize }: RequestDefaults,
): SamplingOptions {
  for (const name of samplingNames) {
    const value = request[name];
    const [least, most] = ranges[name];
    if (value !== undefined && !(value >= least && value <= most))
      throw new AtomError('bad-request', `${name} must be from ${least} to ${most}, not ${value}`);
  }
  const { seed, topK, logitBias } = request;
  for (const [name, value] of Object.entries({ seed, topK }))
    if (value !== undefined && !Number.isInteger(value))
      throw new AtomError('bad-request', `${name} must be a whole number, not ${value}`);
  for (const [id, bias] of logitBias ?? []) {
    if (!Number.isInteger(id) || id < 0 || id >= vocabSize)
      throw new AtomError('bad-request', `there is a bias for token ${id}; the model has ${vocabSize}`);
    if (Number.isNaN(bias)) throw new AtomError('bad-request', `the bias of token ${id} is no number`);
  }
  const given = samplingNames.map((name) => [name, request[name]] as const);
  return { ...recommended, ...withoutAbsent({ ...Object.fromEntries(given), logitBias }) };
}

type Present<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function withoutAbsent<T extends object>(fields: T): Present<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Present<T>;
}
