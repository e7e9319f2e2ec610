// The package's public face; no logic.
export { CpuBackend } from './backend/cpu/cpu-backend.ts';
export { type Checkpoint, openCheckpoint } from './checkpoint/open-checkpoint.ts';
export { Engine, type LoadEngineOptions } from './engine/engine.ts';
export type {
  CacheInfo,
  EngineInfo,
  EngineStats,
  FinishEvent,
  GenerateEvent,
  GenerateRequest,
  Grammar,
  PromptLogprobsEvent,
  TokenEvent,
  TokenLogprob,
} from './engine/engine-types.ts';
export type { EngineOptions } from './engine/options.ts';
export type { SamplingOptions } from './engine/sampling-options.ts';
export { type GenerateOptions, Session } from './engine/session.ts';
export { AtomError, type ErrorCode } from './errors.ts';
export {
  type EvaluateOptions,
  type Evaluation,
  type EvaluationPlan,
  evaluate,
} from './evaluate/evaluate.ts';
export { measurePerplexity, type PerplexityResult } from './evaluate/perplexity.ts';
export type { TaskResult } from './evaluate/run-task.ts';
export { readTaskRows } from './evaluate/task-rows.ts';
export type { Task } from './evaluate/tasks/task.ts';
export { taskNamed, tasks } from './evaluate/tasks/tasks.ts';
export type { DatasetPlace } from './hub/dataset-files.ts';
export { type Hub, type HubOptions, openHub } from './hub/hub.ts';
export { type PulledModel, type PullOptions, pullModel } from './hub/pull-model.ts';
export {
  type ReadTextOptions,
  readTextDataset,
  type TextDataset,
  textDatasetNamed,
} from './hub/text-datasets.ts';
export { type LoadModelOptions, loadModel } from './model/load-model.ts';
export { Model } from './model/model.ts';
export { Scorer } from './model/scorer.ts';
export {
  type CalibrationTextOptions,
  calibrationWindows,
  readCalibrationText,
} from './quantize/calibration-text.ts';
export { presetFor, presets } from './quantize/presets.ts';
export { type QuantizedCheckpoint, type QuantizeRun, quantize } from './quantize/quantize.ts';
export type { QuantizeStage } from './quantize/quantizer.ts';
export type { Recipe } from './quantize/recipe.ts';
export { type ServeOptions, serve } from './server/serve.ts';
export type { Server } from './server/server.ts';
export { ChatTemplate, loadChatTemplate } from './tokenizer/chat-template.ts';
export { loadTokenizer } from './tokenizer/load-tokenizer.ts';
export { Tokenizer } from './tokenizer/tokenizer.ts';
