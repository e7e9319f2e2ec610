// The rows of a zero-shot task: of the split that is scored, and of the one that examples are drawn from.
import { type DatasetPlace, datasetFiles } from '../hub/dataset-files.ts';
import { rowsOf } from '../hub/rows.ts';
import { Row } from './row.ts';
import type { Task } from './tasks/task.ts';

export interface TaskRows {
  readonly rows: readonly Row[];
  readonly exampleRows: readonly Row[];
}

export interface TaskRowsOptions {
  readonly place: DatasetPlace;
  /** Examples are read only when some are wanted. */
  readonly fewShot: number;
  readonly limit?: number;
}

/** Throws `bad-dataset`, `io`, and as `datasetFiles` does. */
export async function readTaskRows(task: Task, options: TaskRowsOptions): Promise<TaskRows> {
  const { place, fewShot, limit = Number.POSITIVE_INFINITY } = options;
  const { id, config, evaluated, examples } = task.dataset;
  const read = async (split: string, most: number) => {
    const main = split === evaluated;
    return readRows(await datasetFiles({ name: task.name, id, config, split, main }, place), most);
  };
  return {
    rows: await read(evaluated, limit),
    exampleRows: fewShot > 0 ? await read(examples, Number.POSITIVE_INFINITY) : [],
  };
}

async function readRows(files: readonly string[], most: number): Promise<Row[]> {
  const rows: Row[] = [];
  for (const file of files) {
    let number = 0;
    for await (const fields of rowsOf(file)) {
      rows.push(new Row(fields, `${file}, row ${++number}`));
      if (rows.length === most) return rows;
    }
  }
  return rows;
}
