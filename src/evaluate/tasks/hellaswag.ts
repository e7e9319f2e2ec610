// HellaSwag: which of four endings goes on with a scene (Zellers et al., 2019).
import type { Row } from '../row.ts';
import { capitalize, strip } from './python-text.ts';
import { multipleChoice, type Question, type Task } from './task.ts';

export const hellaswag: Task = {
  name: 'hellaswag',
  dataset: { id: 'Rowan/hellaswag', config: 'default', evaluated: 'validation', examples: 'train' },
  metrics: ['acc', 'acc_norm'],
  question,
};

function question(row: Row): Question {
  const scene = `${row.text('ctx_a')} ${capitalize(row.text('ctx_b'))}`;
  const choices = row.texts('endings').map(tidy);
  return multipleChoice({
    context: tidy(`${row.text('activity_label')}: ${scene}`),
    choices,
    gold: row.index('label', choices.length),
  });
}

/** Takes out WikiHow's marks in brackets: "[title]" ends a sentence, others vanish; then each two spaces become one. */
function tidy(text: string): string {
  return strip(text)
    .replaceAll(' [title]', '. ')
    .replace(/\[[^\n]*?\]/g, '')
    .replaceAll('  ', ' ');
}
