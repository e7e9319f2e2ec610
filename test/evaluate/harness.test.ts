// The same rows scored by lm-evaluation-harness itself (golden/README.md says how): its prompts letter by letter, with
// the examples it drew, its log-probabilities, its scores and their errors.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { CpuBackend } from '../../src/backend/cpu/cpu-backend.ts';
import type { Likelihood, LikelihoodRequest, LikelihoodScorer } from '../../src/evaluate/likelihood.ts';
import { ModelScorer } from '../../src/evaluate/likelihood-scorer.ts';
import { Row } from '../../src/evaluate/row.ts';
import { type Measured, runTask } from '../../src/evaluate/run-task.ts';
import { taskNamed } from '../../src/evaluate/tasks/tasks.ts';
import { loadModel } from '../../src/model/load-model.ts';
import { loadTokenizer } from '../../src/tokenizer/load-tokenizer.ts';

interface GoldenTask {
  readonly task: string;
  readonly fewShot: number;
  readonly metrics: Readonly<Record<string, Partial<Measured>>>;
  /** Of each question the requests: context, continuation, log-probability, greedy. */
  readonly questions: readonly (readonly (readonly [string, string, number, boolean])[])[];
}

const root = resolve(import.meta.dirname, '../..');
const golden = JSON.parse(readFileSync(resolve(root, 'golden/lm-eval.json'), 'utf8')) as {
  tasks: GoldenTask[];
  rows: Record<string, Record<string, Record<string, unknown>[]>>;
};
const path = resolve(root, 'models/tiny-classics');
const backend = new CpuBackend();
const model = loadModel(path, { backend, compute: 'f32', maxTokens: 256, maxOutputs: 128 });
const scorer = new ModelScorer({ model, backend, tokenizer: loadTokenizer(path) });
afterAll(() => model[Symbol.dispose]());

const rowsOf = (task: string, split: string) =>
  golden.rows[task]![split]!.map((fields, index) => new Row(fields, `${task}, ${split}, row ${index + 1}`));

describe.each(golden.tasks)('$task with $fewShot examples', ({ task: name, fewShot, metrics, questions }) => {
  test('asks what the harness asks, and scores what it scores', async () => {
    let asked: readonly (readonly LikelihoodRequest[])[] = [];
    let answers: readonly (readonly Likelihood[])[] = [];
    const watched: LikelihoodScorer = {
      async score(groups) {
        asked = groups;
        answers = await scorer.score(groups);
        return answers;
      },
    };
    const task = taskNamed(name);
    const { evaluated, examples } = task.dataset;
    const result = await runTask({
      task,
      scorer: watched,
      rows: rowsOf(name, evaluated),
      exampleRows: rowsOf(name, examples),
      fewShot,
    });
    expect(asked).toEqual(
      questions.map((requests) => requests.map(([context, continuation]) => ({ context, continuation }))),
    );
    for (const [question, requests] of questions.entries()) {
      for (const [choice, [, , logProb, greedy]] of requests.entries()) {
        const answer = answers[question]![choice]!;
        expect(Math.abs(answer.logProb - logProb)).toBeLessThan(1e-3);
        expect(answer.greedy).toBe(greedy);
      }
    }
    for (const [metric, expected] of Object.entries(metrics)) {
      const measured = result.metrics[metric as keyof typeof result.metrics]!;
      expect(measured.value / expected.value!).toBeCloseTo(1, 4);
      if (expected.standardError !== undefined)
        expect(measured.standardError).toBeCloseTo(expected.standardError, 12);
    }
    expect(Object.keys(result.metrics).sort()).toEqual(Object.keys(metrics).sort());
  });
});
