// Everything that was asked about one model, measured in turn: perplexity on texts, zero-shot tasks.
// It is handed data and a model; where they come from is not its matter.
import type { Backend } from '../backend/backend.ts';
import type { Model } from '../model/model.ts';
import { Scorer } from '../model/scorer.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { ModelScorer } from './likelihood-scorer.ts';
import { measurePerplexity, type PerplexityResult } from './perplexity.ts';
import { runTask, type TaskResult } from './run-task.ts';
import type { TaskRows } from './task-rows.ts';
import type { Task } from './tasks/task.ts';

export interface EvaluationPlan {
  readonly texts: readonly PlannedText[];
  readonly tasks: readonly PlannedTask[];
  /** Tokens of a window of text; by default the model's context, at most 2048. */
  readonly window?: number;
  readonly stride?: number;
  readonly fewShot: number;
  /** Put the model's bos before every task's context. */
  readonly addBos: boolean;
}

export interface PlannedText {
  readonly name: string;
  readonly text: string;
  /** Only the first so many windows. */
  readonly windows?: number;
}

export interface PlannedTask extends TaskRows {
  readonly task: Task;
}

export interface TextResult extends PerplexityResult {
  readonly text: string;
}

export interface Evaluation {
  readonly texts: readonly TextResult[];
  readonly tasks: readonly TaskResult[];
}

export interface EvaluateOptions {
  readonly model: Model;
  readonly backend: Backend;
  readonly tokenizer: Tokenizer;
  readonly plan: EvaluationPlan;
  /** Gets what is measured, and how much of it is done. */
  readonly onProgress?: (what: string, done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** The caller keeps and disposes model and backend. Throws as `measurePerplexity` and `runTask` do. */
export async function evaluate(options: EvaluateOptions): Promise<Evaluation> {
  const { model, backend, plan, onProgress } = options;
  const { fewShot, addBos } = plan;
  const watched = (what: string) => ({
    onProgress: (done: number, total: number) => onProgress?.(what, done, total),
    ...(options.signal && { signal: options.signal }),
  });
  const texts: TextResult[] = [];
  for (const { name, text, windows } of plan.texts) {
    const window = plan.window ?? Math.min(model.maxPositions, 2048);
    using scorer = new Scorer({ model, backend, window });
    const result = await measurePerplexity({
      scorer,
      tokenIds: options.tokenizer.encode(text),
      window,
      ...(plan.stride && { stride: plan.stride }),
      ...(windows && { windows }),
      ...watched(name),
    });
    texts.push({ text: name, ...result });
  }
  const scorer = new ModelScorer({ model, backend, tokenizer: options.tokenizer, addBos });
  const tasks: TaskResult[] = [];
  for (const { task, rows, exampleRows } of plan.tasks) {
    tasks.push(await runTask({ task, scorer, rows, exampleRows, fewShot, ...watched(task.name) }));
  }
  return { texts, tasks };
}
