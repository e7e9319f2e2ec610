// What the engine's thread and the grammar's say to each other. Masks do not travel this way (shared-mask.ts).
import type { Grammar } from '../engine-types.ts';
import type { ErrorMessage } from '../messages.ts';

/** What the thread starts with. */
export interface GrammarStart {
  readonly modelPath: string;
  readonly vocabSize: number;
  readonly eosTokenIds: readonly number[];
}

export type ToGrammar =
  /** Answered by `opened` or `failed`; masks for what comes next are there by then. */
  | {
      readonly type: 'open';
      readonly requestId: number;
      readonly grammar: Grammar;
      readonly answers: readonly AnswerStart[];
    }
  /** Answered only where the answer is lost: else the next mask appears. */
  | { readonly type: 'accept'; readonly requestId: number; readonly index: number; readonly tokenId: number }
  | { readonly type: 'close'; readonly requestId: number };

export interface AnswerStart {
  readonly mask: SharedArrayBuffer;
  /** What the answer holds already: after a restart of the thread. */
  readonly tokens: readonly number[];
}

export type FromGrammar =
  | { readonly type: 'opened'; readonly requestId: number }
  | {
      readonly type: 'failed';
      readonly requestId: number;
      readonly error: ErrorMessage;
      /** The thread cannot go on: its memory is not what it was. */
      readonly isBroken: boolean;
    };
