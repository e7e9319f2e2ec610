// Answers of /v1/completions: text by choice, with the prompt before it where it is echoed.
import type { GenerateEvent, PromptLogprobsEvent } from '../../engine/engine-types.ts';
import {
  type AnswerHead,
  type AnswerWriter,
  type ChoiceDelta,
  framePrefix,
  type Job,
  usageSuffix,
} from './answer.ts';
import type { CompletionLogprobs, CompletionLogprobsWriter } from './completion-logprobs.ts';
import type { PromptLogprobs } from './prompt-logprobs.ts';
import type { Usage } from './usage.ts';

export interface CompletionDelta {
  readonly text: string;
  readonly logprobs: CompletionLogprobs | null;
  readonly tokenIds: readonly number[];
  readonly finish: 'stop' | 'length' | null;
}

export interface CompletionAnswerOptions {
  readonly head: AnswerHead;
  /** What each choice begins with; undefined unless prompts are echoed. */
  readonly echoes: readonly string[] | undefined;
  readonly choices: number;
  /** Per choice, where log-probabilities are wanted. */
  readonly logprobs?: readonly CompletionLogprobsWriter[];
  /** The tokens of each choice's prompt, where the client asks for tokens. */
  readonly promptIds?: readonly Int32Array[];
  /** Makes `prompt_logprobs` of what the engine says of a prompt, where the client asks for it. */
  readonly scorePrompt?: (event: PromptLogprobsEvent) => PromptLogprobs;
}

export class CompletionAnswer implements AnswerWriter<CompletionDelta> {
  readonly choices: number;
  readonly #head: AnswerHead;
  readonly #prefix: string;
  readonly #echoes: string[] | undefined;
  readonly #logprobs: readonly CompletionLogprobsWriter[] | undefined;
  readonly #promptIds: readonly Int32Array[] | undefined;
  readonly #scorePrompt: CompletionAnswerOptions['scorePrompt'];
  /** By choice. */
  readonly #promptLogprobs: PromptLogprobs[] = [];
  /** Choices whose prompt's tokens have been sent. */
  readonly #begun = new Set<number>();

  constructor({ head, choices, echoes, logprobs, promptIds, scorePrompt }: CompletionAnswerOptions) {
    this.choices = choices;
    this.#head = head;
    this.#prefix = framePrefix('text_completion', head);
    this.#echoes = echoes && [...echoes];
    this.#logprobs = logprobs;
    this.#promptIds = promptIds;
    this.#scorePrompt = scorePrompt;
  }

  deltas({ request, firstChoice }: Job, event: GenerateEvent): ChoiceDelta<CompletionDelta>[] {
    switch (event.type) {
      case 'prompt-logprobs': {
        const scored = this.#scorePrompt?.(event);
        for (let choice = firstChoice; choice < firstChoice + (request.n ?? 1); choice++) {
          // Kept by the writers until the choice's first delta takes it.
          if (this.#echoes) this.#logprobs?.[choice]?.pushPrompt(request.prompt, event.logprobs);
          if (scored !== undefined) this.#promptLogprobs[choice] = scored;
        }
        return [];
      }
      case 'token': {
        const choice = firstChoice + event.index;
        const writer = this.#logprobs?.[choice];
        writer?.pushToken(event);
        const text = this.#takeEcho(choice) + event.text;
        if (text === '' && writer === undefined && this.#promptIds === undefined) return [];
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
    const ids = this.#promptIds ? `,"token_ids":[${tokenIds.join(',')}]${this.#takePromptIds(choice)}` : '';
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
      ...(this.#promptIds && {
        token_ids: own.flatMap(({ tokenIds }) => tokenIds),
        prompt_token_ids: [...this.#promptIds[index]!],
      }),
      ...(this.#scorePrompt && { prompt_logprobs: this.#promptLogprobs[index] ?? null }),
    }));
    return { ...this.#head, object: 'text_completion', choices, usage };
  }

  /** The field of a choice's first frame. */
  #takePromptIds(choice: number): string {
    if (this.#begun.has(choice)) return '';
    this.#begun.add(choice);
    return `,"prompt_token_ids":[${this.#promptIds?.[choice]?.join(',')}]`;
  }

  #takeEcho(choice: number): string {
    const echo = this.#echoes?.[choice] ?? '';
    if (this.#echoes) this.#echoes[choice] = '';
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
