// What `atom eval` is to measure, read before any model is: texts and tasks' rows, so that a missing file costs no time.
import { join } from 'node:path';
import { AtomError } from '../errors.ts';
import type { EvaluationPlan, PlannedTask, PlannedText } from '../evaluate/evaluate.ts';
import { readTaskRows } from '../evaluate/task-rows.ts';
import { taskNamed } from '../evaluate/tasks/tasks.ts';
import type { DatasetPlace } from '../hub/dataset-files.ts';
import { openHub } from '../hub/hub.ts';
import { readTextDataset, textDatasetNamed, textDatasets } from '../hub/text-datasets.ts';
import { interruptSignal } from './interrupt.ts';
import { startProgress } from './progress.ts';
import { readText } from './text.ts';

export interface PlanOptions {
  readonly ppl?: boolean;
  readonly tasks?: readonly string[];
  readonly text?: string;
  readonly dataset?: readonly string[];
  readonly data?: string;
  readonly limit?: number;
  readonly numFewshot: number;
  readonly addBos?: boolean;
  readonly window?: number;
  readonly stride?: number;
}

/** `folder`: of the first model; its test.txt is the text where none is named. Throws `bad-option` for an empty plan. */
export async function makePlan(folder: string, options: PlanOptions): Promise<EvaluationPlan> {
  const { window, stride, limit, numFewshot: fewShot, addBos = false } = options;
  if (!options.ppl && !options.dataset && !options.tasks) {
    throw new AtomError('bad-option', 'say what to measure: --ppl, --tasks NAMES or --ablation');
  }
  // Names are checked before anything is fetched.
  const tasks = (options.tasks ?? []).map(taskNamed);
  const datasets = (options.dataset ?? []).map(datasetNamed);
  using interrupt = interruptSignal();
  using progress = startProgress('fetching', { bytes: true });
  const place: DatasetPlace = {
    hub: openHub({ signal: interrupt.signal }),
    ...(options.data !== undefined && { folder: options.data }),
    onProgress: (done, total, path) => progress.update(done, total, path),
  };
  const texts: PlannedText[] = [];
  for (const dataset of datasets) {
    const windows = limit ?? dataset.windows;
    const text = await readTextDataset(dataset, { part: 'test', place });
    texts.push({ name: dataset.name, text, ...(windows && { windows }) });
  }
  if (options.text !== undefined || (options.ppl && datasets.length === 0)) {
    const file = options.text ?? join(folder, 'test.txt');
    texts.push({ name: file, text: readText(file, '--text or --dataset'), ...(limit && { windows: limit }) });
  }
  const planned: PlannedTask[] = [];
  for (const task of tasks) {
    planned.push({ task, ...(await readTaskRows(task, { place, fewShot, ...(limit && { limit }) })) });
  }
  return { texts, tasks: planned, fewShot, addBos, ...(window && { window }), ...(stride && { stride }) };
}

function datasetNamed(name: string) {
  const dataset = textDatasetNamed(name);
  if (dataset) return dataset;
  const known = textDatasets.map((each) => each.name).join(', ');
  throw new AtomError('bad-option', `there is no data set ${name}; the data sets are ${known}`);
}
