// The sampling defaults that a checkpoint's generation_config.json recommends, all optional.
import { parseGenerationFields } from './hugging-face-config.ts';
import type { JsonObject } from './json-file.ts';

export interface GenerationConfig {
  readonly bosTokenId?: number;
  /** Absent when the file does not say; config.json's then hold. */
  readonly eosTokenIds?: readonly number[];
  /** false asks for greedy decoding. */
  readonly doSample?: boolean;
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly repetitionPenalty?: number;
}

/** Throws `bad-config` naming the file and the field. */
export function parseGenerationConfig(raw: JsonObject, file: string): GenerationConfig {
  const fields = parseGenerationFields(raw, file);
  return {
    ...(fields.bos_token_id != null && { bosTokenId: fields.bos_token_id }),
    ...(fields.eos_token_id != null && { eosTokenIds: [fields.eos_token_id].flat() }),
    ...(fields.do_sample != null && { doSample: fields.do_sample }),
    ...(fields.temperature != null && { temperature: fields.temperature }),
    ...(fields.top_k != null && { topK: fields.top_k }),
    ...(fields.top_p != null && { topP: fields.top_p }),
    ...(fields.min_p != null && { minP: fields.min_p }),
    ...(fields.repetition_penalty != null && { repetitionPenalty: fields.repetition_penalty }),
  };
}
