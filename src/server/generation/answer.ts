// The shape both APIs share: the engine's events become deltas, and deltas become either frames of a stream or one JSON
// answer. Since both are made of the same deltas, a stream joined together is the answer that does not stream.

import type { GenerateEvent, GenerateRequest } from '../../engine/engine-types.ts';
import type { ServerContext, Service } from '../context.ts';
import type { Usage } from './usage.ts';

/** One prompt's work. Its answers are the choices `firstChoice` to `firstChoice + n - 1`. */
export interface Job {
  readonly request: GenerateRequest;
  readonly firstChoice: number;
}

/** How one API writes answers. Stateful: made for one HTTP request. */
export interface AnswerWriter<Delta> {
  readonly choices: number;
  /** What an event adds, in order: mostly one delta, none for a token whose text is not yet certain. */
  deltas(job: Job, event: GenerateEvent): readonly ChoiceDelta<Delta>[];
  /** A frame's JSON in one line. `usage`: undefined where the client did not ask, null in all but the last frame. */
  frame(delta: ChoiceDelta<Delta>, usage: Usage | null | undefined): string;
  /** The frame after the last choice. */
  usageFrame(usage: Usage): string;
  /** The JSON answer that all deltas, listed by choice, make. */
  body(deltas: readonly (readonly Delta[])[], usage: Usage): object;
}

export interface ChoiceDelta<Delta> {
  readonly choice: number;
  readonly delta: Delta;
}

/** What all frames and bodies of one answer begin with. */
export interface AnswerHead {
  readonly id: string;
  /** Unix seconds. */
  readonly created: number;
  readonly model: string;
  readonly system_fingerprint: string;
}

export function answerHead({ modelNames }: ServerContext, { fingerprint }: Service, id: string): AnswerHead {
  return {
    id,
    created: Math.floor(Date.now() / 1000),
    model: modelNames[0],
    system_fingerprint: fingerprint,
  };
}

/** The beginning of every frame up to the choice's number, so that a frame costs one concatenation. */
export function framePrefix(object: string, { id, created, model, system_fingerprint }: AnswerHead): string {
  const head = JSON.stringify({ id, object, created, model, system_fingerprint });
  return `${head.slice(0, -1)},"choices":[`;
}

export const usageSuffix = (usage: Usage | null | undefined) =>
  usage === undefined ? '}' : `,"usage":${JSON.stringify(usage)}}`;
