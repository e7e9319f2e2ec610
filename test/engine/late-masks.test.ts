// Masks of a grammar that come late, to some answers of a prompt and not to others: each answer waits for its own, and
// gives what it would have given anyway. Real grammars are in grammar.test.ts; here lateness is made, not hoped for.
import { afterAll, expect, test } from 'vitest';
import { uniform } from '../../src/engine/random.ts';
import type { Sequence } from '../../src/engine/sequence.ts';
import { ask, demoCore, demoModel, serve } from './serve.ts';

const model = demoModel('bf16');
afterAll(() => model[Symbol.dispose]());

/** Allows every token, after being asked for it a few times. */
class SlowGrammars {
  readonly #lateness: number;
  #asked = 0;
  late = 0;
  readonly followed = new Map<string, number>();
  readonly closed = new Set<number>();

  /** Share of questions without an answer. */
  constructor(lateness: number) {
    this.#lateness = lateness;
  }

  startStep(): void {}

  mask({ request, index, generated }: Sequence): Int32Array | undefined {
    expect(this.followed.get(`${request.id}/${index}`) ?? 0).toBe(generated);
    if (uniform(1, this.#asked++) < this.#lateness) {
      this.late++;
      return undefined;
    }
    return new Int32Array(Math.ceil(model.config.vocabSize / 32)).fill(-1);
  }

  accept({ request, index, generated }: Sequence): void {
    this.followed.set(`${request.id}/${index}`, generated);
  }

  close(requestId: number): void {
    this.closed.add(requestId);
  }
}

const crowd = () =>
  Array.from({ length: 6 }, (_, seed) =>
    ask('It was a dark night, and'.repeat(1 + (seed % 3)), {
      n: 1 + (seed % 4),
      maxTokens: 12,
      stopTokenIds: [],
      sampling: { seed },
      grammar: { type: 'json' },
      logprobs: 1,
      promptLogprobs: 0,
    }),
  );

test.each([
  ['room for all', {}],
  ['preempted', { numBlocks: 14, blockSize: 16 }],
  ['guessing', { speculative: 3 }],
])('%s: answers, log-probabilities and scores of prompts come once, late or not', (_, settings) => {
  const results = [0, 0.5].map((lateness) => {
    const grammars = new SlowGrammars(lateness);
    using core = demoCore(model, { ...settings, grammars });
    const requests = crowd();
    let scored = 0;
    const step = core.step.bind(core);
    core.step = () => {
      const message = step();
      scored += message.promptScores.length;
      return message;
    };
    const { answers, promptScores } = serve(core, requests);
    expect(grammars.late > 0).toBe(lateness > 0);
    expect(scored).toBe(requests.length);
    expect(grammars.closed).toEqual(new Set(requests.map(({ id }) => id)));
    expect(core.blocks.verify([])).toEqual([]);
    for (const { id, prompt } of requests) expect(promptScores.get(id)).toHaveLength(prompt.length);
    return requests.map(({ id }) => [answers.get(id), promptScores.get(id)]);
  });
  expect(results[1]).toEqual(results[0]);
  for (const [answers] of results[1]!)
    for (const answer of answers as { tokens: number[]; scores: unknown[] }[])
      expect([answer.tokens.length, answer.scores.length]).toEqual([12, 12]);
});
