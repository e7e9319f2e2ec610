// LAMBADA: the last word of a passage (Paperno et al., 2016), in OpenAI's text and in the original, tokenized one.
import type { Row } from '../row.ts';
import type { Question, Task } from './task.ts';

export const lambadaOpenai: Task = {
  name: 'lambada_openai',
  // There is no other split, so examples come from the one that is scored.
  dataset: { id: 'EleutherAI/lambada_openai', config: 'default', evaluated: 'test', examples: 'test' },
  metrics: ['acc', 'perplexity'],
  question,
};

export const lambadaStandard: Task = {
  name: 'lambada_standard',
  dataset: { id: 'cimec/lambada', config: 'plain_text', evaluated: 'test', examples: 'validation' },
  metrics: ['acc', 'perplexity'],
  question,
};

function question(row: Row): Question {
  const words = row.text('text').split(' ');
  const last = words.pop()!;
  const context = words.join(' ');
  return {
    requests: [{ context, continuation: ` ${last}` }],
    gold: 0,
    lengths: [1],
    // Two spaces: the harness puts its delimiter before an answer that begins with one.
    example: `${context}  ${last}`,
  };
}
