// Every task by the name lm-evaluation-harness gives it.
import { AtomError } from '../../errors.ts';
import { arcChallenge, arcEasy } from './arc.ts';
import { boolq } from './boolq.ts';
import { hellaswag } from './hellaswag.ts';
import { lambadaOpenai, lambadaStandard } from './lambada.ts';
import { piqa } from './piqa.ts';
import type { Task } from './task.ts';
import { winogrande } from './winogrande.ts';

export const tasks: readonly Task[] = [
  piqa,
  arcEasy,
  arcChallenge,
  boolq,
  hellaswag,
  winogrande,
  lambadaOpenai,
  lambadaStandard,
];

/** Throws `bad-option` for an unknown name. */
export function taskNamed(name: string): Task {
  const task = tasks.find((each) => each.name === name);
  if (task) return task;
  const known = tasks.map((each) => each.name).join(', ');
  throw new AtomError('bad-option', `there is no task ${name}; the tasks are ${known}`);
}
