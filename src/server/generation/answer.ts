// The shape both APIs share: the engine's events become deltas, and deltas become either frames of a stream or one JSON
// answer. Since both are made of the same deltas, a stream joined together is the answer that does not stream.

import type { GenerateEvent, GenerateRequest } from '../../engine/engine-types.ts';
import { AtomError } from '../../errors.ts';
import type { ServerContext, Service } from '../context.ts';
import type { Usage } from './usage.ts';

/** One prompt's work. Its answers are the choices `firstChoice` to `firstChoice + n - 1`. */
export interface Job {
  readonly request: GenerateRequest;
  readonly firstChoice: number;
}

/** How one API writes answers. Stateful: made for one HTTP request. */
export interface AnswerWriter<Delta> {
  /** What an event adds, in order: mostly one delta, none for a token whose text is not yet certain. */
  deltas(job: Job, event: GenerateEvent): readonly ChoiceDelta<Delta>[];
  /** A frame's JSON in one line. `usage`: undefined where the client did not ask, null in all but the last frame. */
  frame(delta: ChoiceDelta<Delta>, usage: Usage | null | undefined): string;
  /** The frame after the last choice. */
  usageFrame(usage: Usage): string;
  /** Adds a delta to the answer that is sent as a whole; returns by how many characters it has grown. */
  add(delta: ChoiceDelta<Delta>): number;
  /** That answer's JSON. Throws `bad-request` for one that is longer than any client wants it. */
  body(usage: Usage): string;
}

/** Characters of one JSON answer; a string has an end at twice as many. */
const LONGEST_BODY = 2 ** 28;

/** Throws `bad-request` for an answer that has grown too long to be kept until it ends. */
export function checkLength(characters: number): void {
  if (characters <= LONGEST_BODY) return;
  throw new AtomError(
    'bad-request',
    `the answer has grown to more than ${LONGEST_BODY / 2 ** 20} MiB; ask for a stream, or for fewer answers or candidates`,
  );
}

/** The JSON of `head` and `fields`, whose values are JSON. */
export function bodyJson(head: object, fields: Readonly<Record<string, readonly string[]>>): string {
  const pieces = Object.entries(fields).flatMap(([name, value]) => [`,"${name}":`, ...value]);
  checkLength(pieces.reduce((sum, { length }) => sum + length, 0));
  return `${JSON.stringify(head).slice(0, -1)}${pieces.join('')}}`;
}

/** Choices as one JSON array. */
export const listJson = (items: readonly string[]): string[] => [
  '[',
  ...items.flatMap((item, i) => (i === 0 ? [item] : [',', item])),
  ']',
];

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
