// Answers of /v1/completions: text by choice, with the prompt before it where it is echoed.
import type { GenerateEvent } from '../../engine/engine-types.ts';
import {
  type AnswerHead,
  type AnswerWriter,
  type ChoiceDelta,
  framePrefix,
  type Job,
  usageSuffix,
} from './answer.ts';
import type { CompletionLogprobs, CompletionLogprobsWriter } from './completion-logprobs.ts';
import type { Usage } from './usage.ts';

export interface CompletionDelta {
  readonly text: string;
  readonly logprobs: CompletionLogprobs | null;
  readonly tokenIds: readonly number[];
  readonly finish: 'stop' | 'length' | null;
}

export interface CompletionAnswerOptions {
  readonly head: AnswerHead;
  /** What each choice begins with; empty unless prompts are echoed. */
  readonly echoes: readonly string[];
  /** Per choice, where log-probabilities are wanted. */
  readonly logprobs?: readonly CompletionLogprobsWriter[];
  readonly returnTokenIds: boolean;
}

export class CompletionAnswer implements AnswerWriter<CompletionDelta> {
  readonly choices: number;
  readonly #head: AnswerHead;
  readonly #prefix: string;
  readonly #echoes: string[];
  readonly #logprobs: readonly CompletionLogprobsWriter[] | undefined;
  readonly #returnTokenIds: boolean;

  constructor({ head, echoes, logprobs, returnTokenIds }: CompletionAnswerOptions) {
    this.choices = echoes.length;
    this.#head = head;
    this.#prefix = framePrefix('text_completion', head);
    this.#echoes = [...echoes];
    this.#logprobs = logprobs;
    this.#returnTokenIds = returnTokenIds;
  }

  deltas({ request, firstChoice }: Job, event: GenerateEvent): ChoiceDelta<CompletionDelta>[] {
    switch (event.type) {
      case 'prompt-logprobs': {
        // Kept by the writers until the choice's first delta takes it.
        for (let i = 0; i < (request.n ?? 1); i++)
          this.#logprobs?.[firstChoice + i]?.pushPrompt(request.prompt, event.logprobs);
        return [];
      }
      case 'token': {
        const choice = firstChoice + event.index;
        const writer = this.#logprobs?.[choice];
        writer?.pushToken(event);
        const text = this.#takeEcho(choice) + event.text;
        if (text === '' && writer === undefined && !this.#returnTokenIds) return [];
        const delta = { text, logprobs: writer?.take() ?? null, tokenIds: [event.tokenId], finish: null };
        return [{ choice, delta }];
      }
      case 'finish': {
        const choice = firstChoice + event.index;
        // Without any token the prompt's own log-probabilities are still here.
        const logprobs = this.#logprobs?.[choice]?.take() ?? null;
        const text = this.#takeEcho(choice) + event.text;
        return [{ choice, delta: { text, logprobs, tokenIds: [], finish: event.reason } }];
      }
      default:
        return event satisfies never;
    }
  }

  frame({ choice, delta }: ChoiceDelta<CompletionDelta>, usage: Usage | null | undefined): string {
    const { text, logprobs, finish, tokenIds } = delta;
    const lists = logprobs === null || logprobs.tokens.length === 0 ? 'null' : JSON.stringify(logprobs);
    const ids = this.#returnTokenIds ? `,"token_ids":[${tokenIds.join(',')}]` : '';
    const reason = finish === null ? 'null' : `"${finish}"`;
    return `${this.#prefix}{"index":${choice},"text":${JSON.stringify(text)},"logprobs":${lists},"finish_reason":${reason}${ids}}]${usageSuffix(usage)}`;
  }

  usageFrame(usage: Usage): string {
    return `${this.#prefix}]${usageSuffix(usage)}`;
  }

  body(deltas: readonly (readonly CompletionDelta[])[], usage: Usage): object {
    const choices = deltas.map((own, index) => ({
      index,
      text: own.map(({ text }) => text).join(''),
      logprobs: this.#logprobs === undefined ? null : joinLogprobs(own),
      finish_reason: own.at(-1)?.finish ?? null,
      ...(this.#returnTokenIds && { token_ids: own.flatMap(({ tokenIds }) => tokenIds) }),
    }));
    return { ...this.#head, object: 'text_completion', choices, usage };
  }

  #takeEcho(choice: number): string {
    const echo = this.#echoes[choice]!;
    this.#echoes[choice] = '';
    return echo;
  }
}

function joinLogprobs(deltas: readonly CompletionDelta[]): CompletionLogprobs {
  const lists = deltas.flatMap(({ logprobs }) => logprobs ?? []);
  return {
    tokens: lists.flatMap(({ tokens }) => tokens),
    token_logprobs: lists.flatMap((list) => list.token_logprobs),
    top_logprobs: lists.flatMap((list) => list.top_logprobs),
    text_offset: lists.flatMap((list) => list.text_offset),
  };
}
