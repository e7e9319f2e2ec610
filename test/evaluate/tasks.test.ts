// Each task on a few rows of our own: the prompts letter by letter, and scores worked out by hand from scripted
// log-probabilities.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Row } from '../../src/evaluate/row.ts';
import { runTask } from '../../src/evaluate/run-task.ts';
import { taskNamed, tasks } from '../../src/evaluate/tasks/tasks.ts';
import { scriptedScorer } from './scripted-scorer.ts';

function fixture(name: string): Row[] {
  const lines = readFileSync(join(import.meta.dirname, 'fixtures', `${name}.jsonl`), 'utf8')
    .trim()
    .split('\n');
  return lines.map((line, index) => new Row(JSON.parse(line), `${name}.jsonl, row ${index + 1}`));
}

/** Log-probabilities by continuation. */
const byContinuation = (table: Readonly<Record<string, number>>) =>
  scriptedScorer(({ continuation }) => {
    const logProb = table[continuation];
    if (logProb === undefined) throw new Error(`"${continuation}" is not in the script`);
    return logProb;
  });

describe('piqa', () => {
  // Right are 0, 1, 1, 0. Per character, in order:
  // -3/7 > -4/20? no: -0.43 < -0.2;  -6/20 = -0.3 > -7/18 = -0.39;  -2/4 = -0.5 < -5/14 = -0.36;  -4.5/15 = -0.3 < -2.4/12 = -0.2
  const script = {
    ' wrap it': -3,
    ' leave it in the rain': -4,
    ' paint the lamp black': -6,
    ' lift the lamp high': -7,
    ' stir': -2,
    ' stir it slowly': -5,
    ' use a whetstone': -4.5,
    ' use a pillow': -2.4,
  };

  test('acc takes the sum, acc_norm divides by characters', async () => {
    const scorer = byContinuation(script);
    const result = await runTask({ task: taskNamed('piqa'), scorer, rows: fixture('piqa') });
    // acc: choices 0, 0, 0, 1, so only the first is right. acc_norm: 1, 0, 1, 1, so only the third is right.
    expect(result.metrics.acc!.value).toBe(1 / 4);
    expect(result.metrics.acc_norm!.value).toBe(1 / 4);
    // Of 1, 0, 0, 0: variance (9/16 + 3/16) / 3 = 1/4, error sqrt(1/4 / 4) = 1/4.
    expect(result.metrics.acc!.standardError).toBeCloseTo(1 / 4, 15);
    expect(result).toMatchObject({ task: 'piqa', questions: 4, fewShot: 0 });
    expect(scorer.asked[0]).toEqual({
      context: 'Question: To keep bread fresh,\nAnswer:',
      continuation: ' wrap it',
    });
  });

  test('a limit takes the first rows', async () => {
    const result = await runTask({
      task: taskNamed('piqa'),
      scorer: byContinuation(script),
      rows: fixture('piqa'),
      limit: 2,
    });
    // acc 1, 0: mean 1/2, variance 1/2, error sqrt(1/2 / 2) = 1/2.
    expect(result.metrics.acc).toEqual({ value: 1 / 2, standardError: 1 / 2 });
    expect(result.questions).toBe(2);
  });
});

describe.each(['arc_easy', 'arc_challenge'])('%s', (name) => {
  test('finds the answer by its label, letter or number', async () => {
    const scorer = byContinuation({
      ' ice': -2,
      ' a stone': -3,
      ' glass': -9,
      ' iron': -9,
      ' light': -4,
      ' water': -5,
      ' wind': -6,
      ' heat': -5,
      ' sound': -7,
      ' gravity': -6,
      ' colour': -8,
    });
    const result = await runTask({ task: taskNamed(name), scorer, rows: fixture('arc') });
    // Right: ice, water, gravity. By sum: ice (-2), light (-4), light (-4): 1 of 3.
    // By character: ice -2/3, a stone -3/7: a stone; light -4/5, water -5/5, wind -6/4: light;
    // heat -5/4, sound -7/5, gravity -6/7 = -0.857, light -4/5 = -0.8, colour -8/6: light. 0 of 3.
    expect(result.metrics.acc!.value).toBe(1 / 3);
    expect(result.metrics.acc_norm).toEqual({ value: 0, standardError: 0 });
    // Of 1, 0, 0: variance (4/9 + 1/9 + 1/9) / 2 = 1/3, error sqrt(1/9).
    expect(result.metrics.acc!.standardError).toBeCloseTo(1 / 3, 15);
    expect(scorer.asked.map(({ continuation }) => continuation).slice(4, 7)).toEqual([
      ' light',
      ' water',
      ' wind',
    ]);
    expect(scorer.asked[4]!.context).toBe('Question: What do plants take from the soil?\nAnswer:');
  });
});

describe('boolq', () => {
  test('asks for no and yes after passage and question', async () => {
    const scorer = scriptedScorer(({ context, continuation }) =>
      continuation === ' yes' ? (context.includes('heron') || context.includes('mill') ? -0.5 : -3) : -1,
    );
    const result = await runTask({ task: taskNamed('boolq'), scorer, rows: fixture('boolq') });
    // Said: yes, yes, no. Right: yes, no, no.
    expect(result.metrics.acc!.value).toBe(2 / 3);
    expect(Object.keys(result.metrics)).toEqual(['acc']);
    expect(scorer.asked[0]).toEqual({
      context:
        'The heron stands in shallow water and waits for fish.\nQuestion: does the heron eat fish?\nAnswer:',
      continuation: ' no',
    });
  });
});

describe('hellaswag', () => {
  test('takes out marks in brackets and writes the second half as a sentence of its own', async () => {
    const scorer = scriptedScorer(() => -1);
    await runTask({ task: taskNamed('hellaswag'), scorer, rows: fixture('hellaswag') });
    expect(scorer.asked[0]).toEqual({
      context: 'Baking bread: A baker kneads dough on a table. The baker',
      continuation: ' shapes it into a loaf.',
    });
    // "Gardening: [header] How to prune a rose [title] Choose" loses "[header]" and one of the two spaces it leaves.
    expect(scorer.asked[4]).toEqual({
      context: 'Gardening: How to prune a rose. Choose a dry day. Rain spreads disease.',
      continuation: '  Cut above a bud.',
    });
    expect(scorer.asked[5]!.continuation).toBe(' Plant it upside down.');
    expect(scorer.asked[6]!.continuation).toBe(' Water it with milk. Wait a year.');
  });

  test('of equally probable endings the first counts, and the longest by length', async () => {
    const result = await runTask({
      task: taskNamed('hellaswag'),
      scorer: scriptedScorer(() => -1),
      rows: fixture('hellaswag'),
    });
    // Right are 0 and 2. All -1: by sum the first, 0 and 0. By character the longest: 1 (28 letters) and 2 (32).
    expect(result.metrics.acc!.value).toBe(1 / 2);
    expect(result.metrics.acc_norm!.value).toBe(1 / 2);
  });
});

describe('winogrande', () => {
  test('fills the blank into the context and scores what follows', async () => {
    const scorer = scriptedScorer(({ context }) =>
      context.endsWith('cart') ? -3 : context.endsWith('Ida') ? -5 : -4,
    );
    const result = await runTask({ task: taskNamed('winogrande'), scorer, rows: fixture('winogrande') });
    // cart -3 beats trunk -4, and cart is right; Ida -5 loses to Nora -4, and Ida is right.
    expect(result.metrics.acc!.value).toBe(1 / 2);
    expect(scorer.asked.slice(0, 2)).toEqual([
      {
        context: 'The trunk did not fit in the cart because the trunk',
        continuation: ' was too small.',
      },
      {
        context: 'The trunk did not fit in the cart because the cart',
        continuation: ' was too small.',
      },
    ]);
  });
});

describe.each(['lambada_openai', 'lambada_standard'])('%s', (name) => {
  test('acc counts what the model would say itself, perplexity is that of the last words', async () => {
    const said: Record<string, { logProb: number; greedy: boolean }> = {
      ' door': { logProb: -1, greedy: true },
      ' harbour': { logProb: -5, greedy: false },
      ' lamp': { logProb: -2, greedy: true },
      ' order': { logProb: -4, greedy: false },
    };
    const scorer = scriptedScorer(({ continuation }) => said[continuation]!);
    const result = await runTask({ task: taskNamed(name), scorer, rows: fixture('lambada') });
    expect(result.metrics.acc!.value).toBe(1 / 2);
    // Mean -3, so exp(3). Deviations 2, -2, 1, -1: variance 10/3, error of the mean sqrt(10/12), times exp(3).
    expect(result.metrics.perplexity!.value).toBeCloseTo(Math.exp(3), 12);
    expect(result.metrics.perplexity!.standardError).toBeCloseTo(Math.exp(3) * Math.sqrt(10 / 12), 12);
    expect(scorer.asked[0]).toEqual({
      context: 'He had lost the key, and so he could not open the',
      continuation: ' door',
    });
  });
});

describe('few-shot examples', () => {
  const numbered = (count: number) =>
    Array.from(
      { length: count },
      (_, index) =>
        new Row({ goal: `goal ${index}`, sol1: 'a', sol2: 'b', label: index % 2 }, `row ${index}`),
    );

  test('are the ones Python draws from the seed, one more than needed where there is no test split', async () => {
    const scorer = scriptedScorer(() => -1);
    await runTask({
      task: taskNamed('piqa'),
      scorer,
      rows: fixture('piqa').slice(0, 2),
      exampleRows: numbered(100),
      fewShot: 2,
    });
    // random.Random(1234): sample(range(100), 3) twice gives [99, 56, 14], then [0, 11, 74].
    expect(scorer.asked[0]!.context).toBe(
      'Question: goal 99\nAnswer: b\n\nQuestion: goal 56\nAnswer: a\n\nQuestion: To keep bread fresh,\nAnswer:',
    );
    expect(scorer.asked[2]!.context).toBe(
      'Question: goal 0\nAnswer: a\n\nQuestion: goal 11\nAnswer: b\n\nQuestion: To light a dark cellar,\nAnswer:',
    );
  });

  test('stand before both contexts of winogrande, with the answer filled in', async () => {
    const scorer = scriptedScorer(() => -1);
    const [row, example] = fixture('winogrande');
    await runTask({
      task: taskNamed('winogrande'),
      scorer,
      rows: [row!],
      exampleRows: [example!, example!],
      fewShot: 1,
    });
    expect(scorer.asked[1]!.context).toBe(
      'Nora thanked Ida because Ida had found the key.\n\nThe trunk did not fit in the cart because the cart',
    );
  });

  test('never hold the question itself', async () => {
    const scorer = scriptedScorer(() => ({ logProb: -1, greedy: true }));
    const rows = fixture('lambada');
    await runTask({ task: taskNamed('lambada_openai'), scorer, rows, exampleRows: rows, fewShot: 4 });
    for (const { context, continuation } of scorer.asked) {
      expect(context.split('\n\n')).toHaveLength(4);
      expect(context).not.toContain(context.split('\n\n').at(-1)! + continuation);
    }
  });

  test('more than there are is refused', async () => {
    const run = runTask({
      task: taskNamed('piqa'),
      scorer: scriptedScorer(() => -1),
      rows: fixture('piqa'),
      exampleRows: numbered(5),
      fewShot: 5,
    });
    await expect(run).rejects.toMatchObject({
      code: 'bad-option',
      message: expect.stringContaining('5 rows'),
    });
  });
});

describe('what does not fit is refused by name and place', () => {
  test.each([
    [
      'piqa',
      { goal: 'x', sol1: 'a', label: 0 },
      /row 1: there is no "sol2"; the fields are goal, sol1, label/,
    ],
    ['piqa', { goal: 'x', sol1: 'a', sol2: 'b', label: 2 }, /"label" is not a whole number from 0 to 1/],
    ['arc_easy', { question: 'x', choices: { text: ['a'], label: ['A'] }, answerKey: 'B' }, /answer B/],
    ['arc_easy', { question: 'x', choices: 'a, b', answerKey: 'B' }, /"choices" is not an object/],
    ['hellaswag', { activity_label: '', ctx_a: '', ctx_b: '', endings: 'a', label: '0' }, /list of texts/],
    ['winogrande', { sentence: 'no blank', option1: 'a', option2: 'b', answer: '1' }, /no blank/],
    ['winogrande', { sentence: 'a _', option1: 'a', option2: 'b', answer: '' }, /answer/],
    ['lambada_openai', { words: [] }, /no "text"/],
  ])('%s', async (name, fields, message) => {
    const run = runTask({
      task: taskNamed(name),
      scorer: scriptedScorer(() => -1),
      rows: [new Row(fields, 'row 1')],
    });
    await expect(run).rejects.toMatchObject({ code: 'bad-dataset', message: expect.stringMatching(message) });
  });

  test('an unknown task, with the names of all', () => {
    expect(() => taskNamed('piqua')).toThrow(/no task piqua; the tasks are piqa, arc_easy/);
    expect(new Set(tasks.map(({ name }) => name)).size).toBe(tasks.length);
  });

  test('a split without rows', async () => {
    const run = runTask({ task: taskNamed('piqa'), scorer: scriptedScorer(() => -1), rows: [] });
    await expect(run).rejects.toMatchObject({ code: 'bad-dataset' });
  });
});
