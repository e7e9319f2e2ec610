// ARC: grade-school science questions, easy and challenging, with three to five choices (Clark et al., 2018).
import type { Row } from '../row.ts';
import { multipleChoice, type Question, type Task } from './task.ts';

export const arcEasy = arc('arc_easy', 'ARC-Easy');
export const arcChallenge = arc('arc_challenge', 'ARC-Challenge');

function arc(name: string, config: string): Task {
  return {
    name,
    dataset: { id: 'allenai/ai2_arc', config, evaluated: 'test', examples: 'train' },
    metrics: ['acc', 'acc_norm'],
    question,
  };
}

function question(row: Row): Question {
  const choices = row.row('choices');
  const texts = choices.texts('text');
  // Labels are A to E in most rows, 1 to 4 in some.
  const gold = choices.texts('label').indexOf(row.text('answerKey'));
  if (gold < 0 || gold >= texts.length)
    row.refuse(`the answer ${row.text('answerKey')} is none of the labels`);
  return multipleChoice({ context: `Question: ${row.text('question')}\nAnswer:`, choices: texts, gold });
}
