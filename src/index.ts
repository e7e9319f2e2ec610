// The package's public face; no logic.
export { CpuBackend } from './backend/cpu/cpu-backend.ts';
export { type Checkpoint, openCheckpoint } from './checkpoint/open-checkpoint.ts';
export { Engine, type LoadEngineOptions } from './engine/engine.ts';
export type {
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
export { measurePerplexity, type PerplexityResult } from './evaluate/perplexity.ts';
export { type LoadModelOptions, loadModel } from './model/load-model.ts';
export { Model } from './model/model.ts';
export { Scorer } from './model/scorer.ts';
export { ChatTemplate, loadChatTemplate } from './tokenizer/chat-template.ts';
export { loadTokenizer } from './tokenizer/load-tokenizer.ts';
export { Tokenizer } from './tokenizer/tokenizer.ts';
