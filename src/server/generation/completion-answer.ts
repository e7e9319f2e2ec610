// Answers of /v1/completions: text by choice, with the prompt before it where it is echoed.
import type { GenerateEvent, PromptLogprobsEvent } from '../../engine/engine-types.ts';
import {
  type AnswerHead,
  type AnswerWriter,
  bodyJson,
  type ChoiceDelta,
  framePrefix,
  type Job,
  listJson,
  usageSuffix,
} from './answer.ts';
import {
  type CompletionLogprobs,
  CompletionLogprobsLists,
  type CompletionLogprobsWriter,
  logprobsJson,
} from './completion-logprobs.ts';
import { TextBuilder } from './text-builder.ts';
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
  readonly scorePrompt?: (event: PromptLogprobsEvent) => string;
}

/** One choice of an answer that is sent as a whole. */
class WholeChoice {
  readonly text = new TextBuilder();
  readonly logprobs = new CompletionLogprobsLists();
  readonly tokenIds = new TextBuilder();
  finish: CompletionDelta['finish'] = null;

  get length(): number {
    return this.text.length + this.logprobs.length + this.tokenIds.length;
  }

  add({ text, logprobs, tokenIds, finish }: CompletionDelta): void {
    this.text.push(text);
    if (logprobs !== null) this.logprobs.add(logprobs);
    for (const id of tokenIds) this.tokenIds.push(String(id), ',');
    this.finish = finish ?? this.finish;
  }
}

export class CompletionAnswer implements AnswerWriter<CompletionDelta> {
  readonly #head: AnswerHead;
  readonly #prefix: string;
  readonly #echoes: string[] | undefined;
  readonly #logprobs: readonly CompletionLogprobsWriter[] | undefined;
  readonly #promptIds: readonly Int32Array[] | undefined;
  readonly #scorePrompt: CompletionAnswerOptions['scorePrompt'];
  /** By choice. */
  #promptLogprobs: string[] = [];
  readonly #whole: readonly WholeChoice[];
  /** Choices whose prompt's tokens have been sent. */
  readonly #begun = new Set<number>();

  constructor({ head, choices, echoes, logprobs, promptIds, scorePrompt }: CompletionAnswerOptions) {
    this.#head = head;
    this.#prefix = framePrefix('text_completion', head);
    this.#echoes = echoes && [...echoes];
    this.#logprobs = logprobs;
    if (scorePrompt) this.#promptLogprobs = Array<string>(choices).fill('null');
    this.#promptIds = promptIds;
    this.#scorePrompt = scorePrompt;
    this.#whole = Array.from({ length: choices }, () => new WholeChoice());
  }

  deltas({ request, firstChoice }: Job, event: GenerateEvent): ChoiceDelta<CompletionDelta>[] {
    switch (event.type) {
      case 'prompt-logprobs': {
        const { prompt, n = 1 } = request;
        const scored = this.#scorePrompt?.(event);
        if (scored !== undefined) this.#promptLogprobs.fill(scored, firstChoice, firstChoice + n);
        // Kept by the writers until each choice's first delta takes it.
        const [first, ...others] = this.#echoes
          ? (this.#logprobs?.slice(firstChoice, firstChoice + n) ?? [])
          : [];
        const lists = first?.pushPrompt(prompt, event.logprobs);
        if (first && lists) for (const other of others) other.beginAs(first, prompt, lists);
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
    const lists = logprobs === null || logprobs.tokens === '' ? 'null' : logprobsJson(logprobs);
    const ids = this.#promptIds ? `,"token_ids":[${tokenIds.join(',')}]${this.#takePromptIds(choice)}` : '';
    const reason = finish === null ? 'null' : `"${finish}"`;
    return `${this.#prefix}{"index":${choice},"text":${JSON.stringify(text)},"logprobs":${lists},"finish_reason":${reason}${ids}}]${usageSuffix(usage)}`;
  }

  usageFrame(usage: Usage): string {
    return `${this.#prefix}]${usageSuffix(usage)}`;
  }

  add({ choice, delta }: ChoiceDelta<CompletionDelta>): number {
    const whole = this.#whole[choice]!;
    const before = whole.length;
    whole.add(delta);
    return whole.length - before;
  }

  body(usage: Usage): string {
    const choices = this.#whole.map((whole, index) => this.#choiceJson(whole, index));
    const head = { ...this.#head, object: 'text_completion' };
    return bodyJson(head, { choices: listJson(choices), usage: [JSON.stringify(usage)] });
  }

  #choiceJson({ text, logprobs, tokenIds, finish }: WholeChoice, index: number): string {
    const lists = this.#logprobs === undefined ? 'null' : logprobsJson(logprobs.items);
    const own = `{"index":${index},"text":${JSON.stringify(text.toString())},"logprobs":${lists},"finish_reason":${JSON.stringify(finish)}`;
    const ids = this.#promptIds
      ? `,"token_ids":[${tokenIds}],"prompt_token_ids":[${this.#promptIds[index]!.join(',')}]`
      : '';
    const prompt = this.#scorePrompt ? `,"prompt_logprobs":${this.#promptLogprobs[index]}` : '';
    return `${own}${ids}${prompt}}`;
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
