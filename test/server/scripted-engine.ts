// An engine whose answers a test writes, in tokens of the demo model, so that what HTTP makes of them is known beforehand.
// It computes nothing; the tests of real answers run the real engine.

import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type {
  EngineStats,
  GenerateEvent,
  GenerateRequest,
  ServingEngine,
} from '../../src/engine/engine-types.ts';
import { AtomError } from '../../src/errors.ts';
import { loadTokenizer } from '../../src/tokenizer/load-tokenizer.ts';

export const modelPath = resolve(import.meta.dirname, '../../models/tiny-classics');

export interface Script {
  /** The answer of sequence `index`. */
  readonly answer?: (request: GenerateRequest, index: number) => string;
  /** Milliseconds between tokens. */
  readonly stepMs?: number;
  readonly maxBatch?: number;
  /** Thrown instead of token number `failAt`. */
  readonly failAt?: number;
}

export class ScriptedEngine implements ServingEngine {
  readonly tokenizer = loadTokenizer(modelPath);
  readonly info;
  failed = false;
  closed = false;
  /** Requests as they came, and how many run. */
  readonly requests: GenerateRequest[] = [];
  active = 0;
  aborted = 0;
  readonly #script: Script;
  readonly #listeners: ((stats: EngineStats) => void)[] = [];
  #counts = { promptTokens: 0, generationTokens: 0, steps: 0, stepTokens: 0 };

  constructor(script: Script = {}) {
    this.#script = script;
    const cache = { blocks: 64, blockSize: 32, type: 'int4', prefixCache: true };
    this.info = { maxModelLen: 1024, vocabSize: 4096, maxBatch: script.maxBatch ?? 8, cache };
  }

  async *generate(
    request: GenerateRequest,
    { signal }: { signal?: AbortSignal } = {},
  ): AsyncGenerator<GenerateEvent> {
    const { answer = () => 'The end.', stepMs = 0, failAt } = this.#script;
    const { n = 1, maxTokens = 1000, logprobs, promptLogprobs, prompt } = request;
    this.requests.push(request);
    this.active++;
    this.#counts.promptTokens += prompt.length;
    try {
      if (promptLogprobs !== undefined) {
        const scored = Array.from(prompt, (id, i) =>
          i === 0 ? null : { tokenId: id, rank: id, ...scoresOf(id) },
        );
        yield { type: 'prompt-logprobs', logprobs: scored };
      }
      const sequences = Array.from({ length: n }, (_, index) => {
        const ids = this.tokenizer.encode(answer(request, index), { addSpecialTokens: false });
        return {
          index,
          ids: [...ids, this.tokenizer.eosId!],
          detokenizer: this.tokenizer.detokenizer(),
          count: 0,
        };
      });
      for (let open = [...sequences]; open.length > 0; ) {
        if (stepMs > 0) await sleep(stepMs, undefined, { signal }).catch(() => {});
        else await new Promise((done) => setImmediate(done));
        if (signal?.aborted) throw new AtomError('cancelled', 'cancelled', { cause: signal.reason });
        this.#counts.steps++;
        this.#counts.stepTokens += open.length;
        for (const listener of this.#listeners) listener(this.stats());
        for (const sequence of open) {
          const { index, ids, detokenizer, count } = sequence;
          if (count === failAt) throw new AtomError('internal', 'the script says so');
          const tokenId = ids[count];
          const isLast = tokenId === this.tokenizer.eosId || count + 1 >= maxTokens;
          if (tokenId !== undefined && count < maxTokens) {
            sequence.count++;
            this.#counts.generationTokens++;
            const text = detokenizer.push(tokenId);
            yield { type: 'token', index, tokenId, text, ...(logprobs !== undefined && scoresOf(tokenId)) };
          }
          if (!isLast) continue;
          const reason = tokenId === this.tokenizer.eosId ? 'stop' : 'length';
          const times = { queueSeconds: 0.001, prefillSeconds: 0.002, decodeSeconds: 0.003 };
          const tokens = { promptTokens: prompt.length, completionTokens: sequence.count, cachedTokens: 0 };
          yield { type: 'finish', index, reason, text: detokenizer.flush(), usage: { ...tokens, ...times } };
          open = open.filter((other) => other !== sequence);
        }
      }
    } finally {
      this.active--;
      if (signal?.aborted) this.aborted++;
    }
  }

  stats(): EngineStats {
    const idle = { waiting: 0, kvBlocksTotal: 64, kvBlocksUsed: this.active, preemptions: 0 };
    const unused = {
      prefixCacheQueries: 0,
      prefixCacheHits: 0,
      drafts: 0,
      draftTokens: 0,
      acceptedTokens: 0,
    };
    return { ...idle, running: this.active, ...this.#counts, ...unused };
  }

  onStep(listener: (stats: EngineStats) => void): void {
    this.#listeners.push(listener);
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

/** Numbers that depend on the token alone. */
function scoresOf(tokenId: number) {
  const logprob = -tokenId / 1000;
  return {
    logprob,
    topLogprobs: [
      { tokenId: 5, logprob: -0.005 },
      { tokenId, logprob },
    ].filter((_, i) => i === 1 || tokenId !== 5),
  };
}
