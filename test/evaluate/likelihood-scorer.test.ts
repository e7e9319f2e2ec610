// Likelihoods of a real model: what batching and sharing give must be the bits that one request alone gives.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { CpuBackend } from '../../src/backend/cpu/cpu-backend.ts';
import { encodeRequest, type LikelihoodRequest } from '../../src/evaluate/likelihood.ts';
import { ModelScorer } from '../../src/evaluate/likelihood-scorer.ts';
import { Row } from '../../src/evaluate/row.ts';
import { runTask } from '../../src/evaluate/run-task.ts';
import { taskNamed } from '../../src/evaluate/tasks/tasks.ts';
import { loadModel } from '../../src/model/load-model.ts';
import { Scorer } from '../../src/model/scorer.ts';
import { loadTokenizer } from '../../src/tokenizer/load-tokenizer.ts';

const path = resolve(import.meta.dirname, '../../models/tiny-classics');
const backend = new CpuBackend();
const tokenizer = loadTokenizer(path);
const scratch = mkdtempSync(join(tmpdir(), 'atom-likelihood-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const text = readFileSync(join(path, 'test.txt'), 'utf8');
const words = text.split(/\s+/);
const phrase = (from: number, count: number) => words.slice(from, from + count).join(' ');

/** Groups of all kinds: one context and several choices, contexts that differ, short ones, long ones. */
const groups: LikelihoodRequest[][] = [
  [3, 1, 8, 20].map((count) => ({ context: phrase(0, 40), continuation: ` ${phrase(100 + count, count)}` })),
  ['the captain', 'the crew'].map((name) => ({
    context: `${phrase(50, 30)} because ${name}`,
    continuation: ' was tired.',
  })),
  [{ context: phrase(200, 500), continuation: ` ${phrase(700, 5)}` }],
  ['', ' ', 'A'].map((context) => ({ context, continuation: ' man' })),
  [1, 2, 3].map((count) => ({ context: phrase(300, 300), continuation: ` ${phrase(600, count * 10)}` })),
];

/** Of a token's log-probability; activations in bf16 have 8 bits. */
const tolerance = { f32: 1e-5, bf16: 2e-2 };

describe.each(['f32', 'bf16'] as const)('in %s', (compute) => {
  test('batched and shared answers are those of each request alone, bit by bit', async () => {
    // Few rows a step, so that requests and what they share are cut in many places.
    using model = loadModel(path, { backend, compute, maxTokens: 96, maxOutputs: 20 });
    using whole = new Scorer({ model, backend, window: model.maxPositions });
    const scorer = new ModelScorer({ model, backend, tokenizer });
    const answers = await scorer.score(groups);
    const encoding = { tokenizer, addBos: false, maxLength: model.maxPositions };
    for (const [index, group] of groups.entries()) {
      for (const [choice, request] of group.entries()) {
        const answer = answers[index]![choice]!;
        expect(await scorer.score([[request]])).toEqual([[answer]]);
        // The scorer that perplexity stands on has larger cache blocks, and so sums in another order.
        const { ids, scored } = encodeRequest(request, encoding);
        const expected = whole.score(ids).slice(-scored);
        const sum = expected.reduce((total, value) => total + value, 0);
        expect(Math.abs(answer.logProb - sum)).toBeLessThan(scored * tolerance[compute]);
      }
    }
  });
});

test("the golden greedy continuation is greedy, and is not once a word is another's", async () => {
  const golden = resolve(import.meta.dirname, '../../golden/golden.json');
  const { greedy } = JSON.parse(readFileSync(golden, 'utf8')) as {
    greedy: { prompt: number[]; continuation: number[] };
  };
  const { prompt, continuation } = greedy;
  const context = tokenizer.decode(prompt);
  const said = tokenizer.decode([...prompt, ...continuation]).slice(context.length);
  using model = loadModel(path, { backend, compute: 'f32', maxTokens: 64 });
  const scorer = new ModelScorer({ model, backend, tokenizer, addBos: true });
  const [answers] = await scorer.score([
    [
      { context, continuation: said },
      { context, continuation: said.replace(/\w+$/, 'zebra') },
    ],
  ]);
  expect(answers!.map(({ greedy: each }) => each)).toEqual([true, false]);
  expect(answers![0]!.logProb).toBeGreaterThan(answers![1]!.logProb);
});

test('an interrupt ends the work, and nothing stays allocated', async () => {
  using model = loadModel(path, { backend, compute: 'f32', maxTokens: 64 });
  const signal = AbortSignal.abort();
  await expect(
    new ModelScorer({ model, backend, tokenizer }).score(groups, { signal }),
  ).rejects.toMatchObject({
    code: 'cancelled',
  });
});

describe('a model of uniform logits', () => {
  /** The demo model with every weight zero: all logits are 0. */
  function uniformModel(): string {
    const dir = join(scratch, 'uniform');
    cpSync(path, dir, { recursive: true });
    const file = join(dir, 'model.safetensors');
    const bytes = readFileSync(file);
    bytes.fill(0, 8 + Number(bytes.readBigUInt64LE(0)));
    writeFileSync(file, bytes);
    return dir;
  }
  const dir = uniformModel();

  test('gives every token one in as many as there are', async () => {
    using model = loadModel(dir, { backend, compute: 'f32', maxTokens: 96 });
    const answers = await new ModelScorer({ model, backend, tokenizer }).score(groups);
    const encoding = { tokenizer, addBos: false, maxLength: model.maxPositions };
    for (const [index, group] of groups.entries()) {
      for (const [choice, request] of group.entries()) {
        const { scored } = encodeRequest(request, encoding);
        const expected = -scored * Math.log(model.config.vocabSize);
        expect(answers[index]![choice]!.logProb / expected).toBeCloseTo(1, 6);
      }
    }
  });

  test('scores what chance scores: every task, right answers spread evenly over equal choices', async () => {
    using model = loadModel(dir, { backend, compute: 'f32', maxTokens: 96 });
    const scorer = new ModelScorer({ model, backend, tokenizer });
    const scored = async (name: string, rows: object[]) => {
      const task = taskNamed(name);
      const { metrics } = await runTask({ task, scorer, rows: rows.map((row) => new Row({ ...row }, '')) });
      return metrics;
    };
    const over = <T>(count: number, make: (gold: number) => T) =>
      Array.from({ length: count }, (_, i) => make(i));
    const piqa = over(2, (label) => ({ goal: 'To rest,', sol1: 'sit down', sol2: 'sit down', label }));
    expect(await scored('piqa', piqa)).toMatchObject({ acc: { value: 1 / 2 }, acc_norm: { value: 1 / 2 } });
    const arc = over(5, (gold) => ({
      question: 'Which?',
      choices: { text: ['a', 'b', 'c', 'd', 'e'], label: ['A', 'B', 'C', 'D', 'E'] },
      answerKey: 'ABCDE'[gold],
    }));
    expect(await scored('arc_easy', arc)).toMatchObject({
      acc: { value: 1 / 5 },
      acc_norm: { value: 1 / 5 },
    });
    const hellaswag = over(4, (label) => ({
      activity_label: 'Rest',
      ctx_a: 'He',
      ctx_b: 'sat',
      endings: ['a.', 'b.', 'c.', 'd.'],
      label: String(label),
    }));
    expect(await scored('hellaswag', hellaswag)).toMatchObject({ acc: { value: 1 / 4 } });
    const winogrande = over(2, (gold) => ({
      sentence: 'Ann saw Ida and _ ran.',
      option1: 'Ann',
      option2: 'Ida',
      answer: String(gold + 1),
    }));
    expect(await scored('winogrande', winogrande)).toMatchObject({ acc: { value: 1 / 2 } });
    // A word of one token is one in 4096, and the first of equals is never it.
    const lambada = [{ text: 'He opened the the' }, { text: 'She closed the and' }];
    const { acc, perplexity } = await scored('lambada_openai', lambada);
    expect(acc!.value).toBe(0);
    expect(perplexity!.value / model.config.vocabSize).toBeCloseTo(1, 5);
  });
});

describe('tokens of a request', () => {
  const encode = (request: LikelihoodRequest, { addBos = false, maxLength = 1024 } = {}) => {
    const { ids, scored } = encodeRequest(request, { tokenizer, addBos, maxLength });
    const cut = ids.length - scored;
    return [
      tokenizer.decode(ids.slice(0, cut), {}),
      tokenizer.decode(ids.slice(cut), {}),
      ids.length,
    ] as const;
  };

  test('space at the end of the context belongs to the continuation', () => {
    const [context, continuation] = encode({ context: 'Answer: ', continuation: 'ship' });
    expect([context, continuation.trimStart()]).toEqual(['Answer:', 'ship']);
    const spaced = encode({ context: 'Answer:', continuation: ' ship' });
    expect(encode({ context: 'Answer: ', continuation: 'ship' })).toEqual(spaced);
  });

  test('an empty context is one bos, and others have one only when asked', () => {
    const { ids, scored } = encodeRequest(
      { context: '', continuation: 'ship' },
      { tokenizer, addBos: false, maxLength: 1024 },
    );
    expect([ids[0], ids.length - scored]).toEqual([tokenizer.bosId, 1]);
    const request = { context: 'The', continuation: ' ship' };
    expect(encode(request, { addBos: true })[2]).toBe(encode(request)[2] + 1);
  });

  test('context beyond the model is cut at its beginning; a continuation beyond it is refused', () => {
    const request = { context: phrase(0, 100), continuation: ` ${phrase(100, 5)}` };
    const whole = encodeRequest(request, { tokenizer, addBos: false, maxLength: 1024 });
    const cut = encodeRequest(request, { tokenizer, addBos: false, maxLength: 40 });
    expect(cut).toEqual({ ids: whole.ids.slice(-41), scored: whole.scored });
    expect(() => encodeRequest(request, { tokenizer, addBos: false, maxLength: 3 })).toThrow(/context of 3/);
  });
});
