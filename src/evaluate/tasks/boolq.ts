// BoolQ: yes or no, from a passage (Clark et al., 2019), as SuperGLUE distributes it.
import { multipleChoice, type Task } from './task.ts';

export const boolq: Task = {
  name: 'boolq',
  dataset: { id: 'aps/super_glue', config: 'boolq', evaluated: 'validation', examples: 'train' },
  metrics: ['acc'],
  question: (row) =>
    multipleChoice({
      context: `${row.text('passage')}\nQuestion: ${row.text('question')}?\nAnswer:`,
      choices: ['no', 'yes'],
      gold: row.index('label', 2),
    }),
};
