// Turns an engine without a thread until every request has ended, over the demo model.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { CpuBackend } from '../../src/backend/cpu/cpu-backend.ts';
import { type CoreOptions, EngineCore } from '../../src/engine/core.ts';
import type { TokenLogprob } from '../../src/engine/engine-types.ts';
import type { EngineRequest } from '../../src/engine/request.ts';
import type { EnginePlan } from '../../src/engine/sizing.ts';
import { loadModel } from '../../src/model/load-model.ts';
import type { Model } from '../../src/model/model.ts';
import { loadTokenizer } from '../../src/tokenizer/load-tokenizer.ts';

const root = resolve(import.meta.dirname, '../..');
export const modelPath = resolve(root, 'models/tiny-classics');
export const backend = new CpuBackend();
export const tokenizer = loadTokenizer(modelPath);
export const golden = (
  JSON.parse(readFileSync(resolve(root, 'golden/golden.json'), 'utf8')) as {
    greedy: { prompt: number[]; continuation: number[] };
  }
).greedy;

export const demoModel = (compute: 'f32' | 'bf16'): Model =>
  loadModel(modelPath, { backend, compute, maxTokens: 96, maxOutputs: 24 });

export interface CoreSettings
  extends Partial<EnginePlan>,
    Partial<Pick<CoreOptions, 'prefixCache' | 'speculative' | 'grammars'>> {}

export function demoCore(
  model: Model,
  { prefixCache, speculative, grammars, ...plan }: CoreSettings = {},
): EngineCore {
  const { numBlocks = 128, blockSize = 32 } = plan;
  const maxModelLen = Math.min(model.maxPositions, numBlocks * blockSize);
  return new EngineCore({
    model,
    backend,
    plan: { blockSize, numBlocks, kvBytes: 0, maxModelLen, maxBatch: 16, maxStepTokens: 64, ...plan },
    ...(prefixCache !== undefined && { prefixCache }),
    ...(speculative !== undefined && { speculative }),
    ...(grammars && { grammars }),
  });
}

let lastId = 0;

export function ask(prompt: string | readonly number[], options: Partial<EngineRequest> = {}): EngineRequest {
  const ids = typeof prompt === 'string' ? tokenizer.encode(prompt) : Int32Array.from(prompt);
  const defaults = {
    n: 1,
    maxTokens: 16,
    minTokens: 0,
    priority: 0,
    stopTokenIds: [tokenizer.eosId!],
    sampling: {},
  };
  return { id: ++lastId, prompt: ids, ...defaults, ...options };
}

export interface Answer {
  readonly tokens: number[];
  readonly scores: TokenLogprob[];
  reason?: string;
  error?: { code: string; message: string };
}

export interface Served {
  /** By request, then by answer. */
  readonly answers: ReadonlyMap<number, readonly Answer[]>;
  readonly promptScores: Map<number, readonly (TokenLogprob | null)[]>;
}

/** Serves the requests; `beforeStep` may add or cancel. */
export function serve(
  core: EngineCore,
  requests: readonly EngineRequest[],
  beforeStep: (step: number) => void = () => {},
): Served {
  const answers = new Map(
    requests.map(({ id, n }) => [id, Array.from({ length: n }, (): Answer => ({ tokens: [], scores: [] }))]),
  );
  const promptScores: Served['promptScores'] = new Map();
  for (const request of requests) core.add(request);
  for (let step = 0; step === 0 || !core.idle; step++) {
    beforeStep(step);
    const message = core.step();
    for (const [i, tokenId] of message.tokenIds.entries()) {
      const answer = answers.get(message.requestIds[i]!)![message.indexes[i]!]!;
      answer.tokens.push(tokenId);
      const scores = message.scores?.[i];
      if (scores) answer.scores.push(scores);
    }
    for (const { requestId, scores } of message.promptScores) promptScores.set(requestId, scores);
    for (const { requestId, index, reason } of message.finished)
      answers.get(requestId)![index]!.reason = reason;
    for (const { requestId, error } of message.failures)
      for (const answer of answers.get(requestId)!) answer.error = error;
  }
  return { answers, promptScores };
}

export function serveOne(core: EngineCore, request: EngineRequest): Answer {
  return serve(core, [request]).answers.get(request.id)![0]!;
}
