// Few-shot examples as lm-evaluation-harness draws them: one generator a task, seeded once; for every question in
// turn a sample of the examples' split; a question is never its own example.
import { isDeepStrictEqual } from 'node:util';
import { AtomError } from '../../errors.ts';
import type { Row } from '../row.ts';
import { PythonRandom } from './python-random.ts';
import type { Task } from './task.ts';

const betweenExamples = '\n\n';

export interface FewShotOptions {
  readonly task: Task;
  /** Rows of the examples' split. */
  readonly rows: readonly Row[];
  readonly count: number;
  readonly seed: number;
}

/** Gives the text before each question; questions must come in the order of their split. Throws `bad-option`. */
export function fewShotContexts({ task, rows, count, seed }: FewShotOptions): (question: Row) => string {
  if (count === 0) return () => '';
  // One is drawn to spare where the task has no test split, in case the question itself is among them.
  const drawn = task.dataset.evaluated === 'test' ? count : count + 1;
  if (drawn > rows.length) {
    throw new AtomError(
      'bad-option',
      `${count} examples were asked of ${task.name}, whose split ${task.dataset.examples} has ${rows.length} rows`,
    );
  }
  const random = new PythonRandom(seed);
  return (question) => {
    const others = random
      .sample(rows.length, drawn)
      .map((index) => rows[index]!)
      .filter((row) => !isDeepStrictEqual(row.fields, question.fields));
    return others
      .slice(0, count)
      .map((row) => task.question(row).example + betweenExamples)
      .join('');
  };
}
