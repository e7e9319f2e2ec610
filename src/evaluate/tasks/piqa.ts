// PIQA: which of two ways reaches an everyday goal (Bisk et al., 2020).
import { multipleChoice, type Task } from './task.ts';

export const piqa: Task = {
  name: 'piqa',
  dataset: { id: 'ybisk/piqa', config: 'plain_text', evaluated: 'validation', examples: 'train' },
  metrics: ['acc', 'acc_norm'],
  question: (row) =>
    multipleChoice({
      context: `Question: ${row.text('goal')}\nAnswer:`,
      choices: [row.text('sol1'), row.text('sol2')],
      gold: row.index('label', 2),
    }),
};
