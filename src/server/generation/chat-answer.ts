// Answers of /v1/chat/completions: content and tool calls by choice.
import type { GenerateEvent, PromptLogprobsEvent } from '../../engine/engine-types.ts';
import type { AnswerPart, CallParser } from '../tools/call-parser.ts';
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
import { ChatChoice } from './chat-choice.ts';
import { chatLogprob } from './chat-logprobs.ts';
import type { TokenNames } from './token-names.ts';
import type { Usage } from './usage.ts';

export type ChatFinish = 'stop' | 'length' | 'tool_calls';

export interface ChatDelta {
  /** Exactly what the client sees under `delta`. */
  readonly delta: {
    readonly role?: 'assistant';
    readonly content?: string;
    readonly tool_calls?: readonly ToolCallDelta[];
  };
  /** JSON of each. */
  readonly logprobs: readonly string[];
  readonly tokenIds: readonly number[];
  readonly finish: ChatFinish | null;
}

export interface ToolCallDelta {
  readonly index: number;
  readonly id?: string;
  readonly type?: 'function';
  readonly function: { readonly name?: string; readonly arguments: string };
}

export interface ChatAnswerOptions {
  readonly head: AnswerHead;
  readonly choices: number;
  /** How many candidates each token shows; undefined for no log-probabilities. */
  readonly topLogprobs: number | undefined;
  readonly names: TokenNames;
  /** Makes the parser of one choice, where the request has tools. */
  readonly newCallParser: (() => CallParser) | undefined;
  /** The client named the function, so that calling it is the ordinary end. */
  readonly namedFunction: boolean;
  /** The prompt's tokens, where the client asks for tokens. */
  readonly promptIds?: Int32Array;
  /** Makes `prompt_logprobs` of what the engine says of the prompt, where the client asks for it. */
  readonly scorePrompt?: (event: PromptLogprobsEvent) => string;
}

export class ChatAnswer implements AnswerWriter<ChatDelta> {
  readonly #options: ChatAnswerOptions;
  readonly #prefix: string;
  readonly #parsers: (CallParser | undefined)[];
  readonly #begun: boolean[];
  readonly #whole: readonly ChatChoice[];
  #promptLogprobs = 'null';
  /** The prompt's tokens as JSON, until the first frame has taken them. */
  #promptIds: string | undefined;

  constructor(options: ChatAnswerOptions) {
    this.#options = options;
    this.#prefix = framePrefix('chat.completion.chunk', options.head);
    this.#parsers = Array.from({ length: options.choices }, () => options.newCallParser?.());
    this.#promptIds = options.promptIds && `[${options.promptIds.join(',')}]`;
    this.#whole = Array.from({ length: options.choices }, () => new ChatChoice());
    this.#begun = Array.from({ length: options.choices }, () => false);
  }

  deltas({ firstChoice }: Job, event: GenerateEvent): ChoiceDelta<ChatDelta>[] {
    const { topLogprobs, names, promptIds, scorePrompt } = this.#options;
    if (event.type === 'prompt-logprobs') {
      this.#promptLogprobs = scorePrompt?.(event) ?? 'null';
      return [];
    }
    const choice = firstChoice + event.index;
    const parser = this.#parsers[choice];
    const parts = partsOf(event, parser);
    const deltas = parts.map((part) => toDelta({ delta: deltaOf(part) }));
    if (event.type === 'token') {
      const logprobs = topLogprobs === undefined ? [] : [chatLogprob(event, names, topLogprobs)];
      const tokenIds = promptIds ? [event.tokenId] : [];
      if (logprobs.length > 0 || promptIds)
        deltas[0] = toDelta({ delta: deltas[0]?.delta ?? {}, logprobs, tokenIds });
    } else {
      deltas.push(toDelta({ finish: this.#finishOf(event.reason, parser) }));
    }
    if (!this.#begun[choice] && deltas.length > 0) {
      this.#begun[choice] = true;
      deltas.unshift(toDelta({ delta: { role: 'assistant', content: '' } }));
    }
    return deltas.map((delta) => ({ choice, delta }));
  }

  frame(
    { choice, delta: { delta, logprobs, tokenIds, finish } }: ChoiceDelta<ChatDelta>,
    usage: Usage | null | undefined,
  ): string {
    const lists = logprobs.length === 0 ? 'null' : `{"content":[${logprobs.join(',')}],"refusal":null}`;
    const ids = this.#options.promptIds ? `,"token_ids":[${tokenIds.join(',')}]` : '';
    const promptIds = this.#promptIds === undefined ? '' : `,"prompt_token_ids":${this.#promptIds}`;
    this.#promptIds = undefined;
    const reason = finish === null ? 'null' : `"${finish}"`;
    return `${this.#prefix}{"index":${choice},"delta":${JSON.stringify(delta)},"logprobs":${lists},"finish_reason":${reason}${ids}}]${promptIds}${usageSuffix(usage)}`;
  }

  usageFrame(usage: Usage): string {
    return `${this.#prefix}]${usageSuffix(usage)}`;
  }

  add({ choice, delta }: ChoiceDelta<ChatDelta>): number {
    return this.#whole[choice]!.add(delta);
  }

  body(usage: Usage): string {
    const { head, topLogprobs, scorePrompt } = this.#options;
    const promptIds = this.#promptIds;
    const asked = { logprobs: topLogprobs !== undefined, tokenIds: promptIds !== undefined };
    const choices = this.#whole.map((choice, index) => choice.json(index, asked));
    return bodyJson(
      { ...head, object: 'chat.completion' },
      {
        choices: listJson(choices),
        usage: [JSON.stringify(usage)],
        ...(promptIds !== undefined && { prompt_token_ids: [promptIds] }),
        ...(scorePrompt && { prompt_logprobs: [this.#promptLogprobs] }),
      },
    );
  }

  #finishOf(reason: 'stop' | 'length', parser: CallParser | undefined): ChatFinish {
    const called = parser !== undefined && parser.count > 0;
    return called && reason === 'stop' && !this.#options.namedFunction ? 'tool_calls' : reason;
  }
}

function partsOf(
  event: { type: 'token' | 'finish'; text: string },
  parser: CallParser | undefined,
): AnswerPart[] {
  const { type, text } = event;
  if (parser === undefined) return text === '' ? [] : [{ type: 'text', text }];
  const parts = parser.push(text);
  return type === 'finish' ? [...parts, ...parser.flush()] : parts;
}

function deltaOf(part: AnswerPart): ChatDelta['delta'] {
  switch (part.type) {
    case 'text':
      return { content: part.text };
    case 'call': {
      const { index, id, name } = part;
      return { tool_calls: [{ index, id, type: 'function', function: { name, arguments: '' } }] };
    }
    case 'arguments':
      return { tool_calls: [{ index: part.index, function: { arguments: part.text } }] };
    default:
      return part satisfies never;
  }
}

const toDelta = (fields: Partial<ChatDelta>): ChatDelta => ({
  delta: {},
  logprobs: [],
  tokenIds: [],
  finish: null,
  ...fields,
});
