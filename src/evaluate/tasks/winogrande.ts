// WinoGrande: whom a blank means (Sakaguchi et al., 2019). Scored by "partial evaluation": the choices are contexts,
// each the sentence up to the blank with one name filled in, and what follows the blank is the continuation of both.
import type { Row } from '../row.ts';
import { length, strip } from './python-text.ts';
import type { Question, Task } from './task.ts';

export const winogrande: Task = {
  name: 'winogrande',
  dataset: {
    id: 'allenai/winogrande',
    config: 'winogrande_xl',
    evaluated: 'validation',
    examples: 'train',
  },
  metrics: ['acc'],
  question,
};

function question(row: Row): Question {
  const sentence = row.text('sentence');
  const blank = sentence.indexOf('_');
  if (blank < 0) row.refuse('the sentence has no blank "_"');
  const answer = row.index('answer', 3);
  if (answer === 0) row.refuse('the answer is 0, expected 1 or 2');
  const contexts = [row.text('option1'), row.text('option2')].map((name) => sentence.slice(0, blank) + name);
  const continuation = ` ${strip(sentence.slice(blank + 1))}`;
  return {
    requests: contexts.map((context) => ({ context, continuation })),
    gold: answer - 1,
    lengths: contexts.map(length),
    example: contexts[answer - 1] + continuation,
  };
}
