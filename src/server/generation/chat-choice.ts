// One choice of a chat answer that is sent as a whole: its deltas put together.
import type { ChatDelta, ChatFinish, ToolCallDelta } from './chat-answer.ts';
import { TextBuilder } from './text-builder.ts';

interface Call {
  readonly id: string | undefined;
  readonly name: string | undefined;
  readonly arguments: TextBuilder;
}

export class ChatChoice {
  readonly #content = new TextBuilder();
  readonly #calls: Call[] = [];
  readonly #logprobs = new TextBuilder();
  readonly #tokenIds = new TextBuilder();
  #finish: ChatFinish | null = null;

  /** Returns by how many characters the choice has grown. */
  add({ delta, logprobs, tokenIds, finish }: ChatDelta): number {
    const before = this.#length;
    this.#content.push(delta.content ?? '');
    for (const call of delta.tool_calls ?? []) this.#addCall(call);
    for (const logprob of logprobs) this.#logprobs.push(logprob, ',');
    for (const id of tokenIds) this.#tokenIds.push(String(id), ',');
    this.#finish = finish ?? this.#finish;
    return this.#length - before;
  }

  /** As JSON; `logprobs` and `tokenIds` say whether the client asked for them. */
  json(index: number, { logprobs, tokenIds }: { logprobs: boolean; tokenIds: boolean }): string {
    const content = this.#content.toString();
    const calls = this.#calls.map(({ id, name, arguments: text }) => ({
      id,
      type: 'function',
      function: { name, arguments: text.toString() },
    }));
    const message = {
      role: 'assistant',
      content: content === '' && calls.length > 0 ? null : content,
      refusal: null,
      ...(calls.length > 0 && { tool_calls: calls }),
    };
    const lists = logprobs ? `{"content":[${this.#logprobs}],"refusal":null}` : 'null';
    const ids = tokenIds ? `,"token_ids":[${this.#tokenIds}]` : '';
    const reason = JSON.stringify(this.#finish);
    return `{"index":${index},"message":${JSON.stringify(message)},"logprobs":${lists},"finish_reason":${reason}${ids}}`;
  }

  get #length(): number {
    const calls = this.#calls.reduce((sum, call) => sum + call.arguments.length, 0);
    return this.#content.length + calls + this.#logprobs.length + this.#tokenIds.length;
  }

  #addCall({ index, id, function: call }: ToolCallDelta): void {
    this.#calls[index] ??= { id, name: call.name, arguments: new TextBuilder() };
    this.#calls[index].arguments.push(call.arguments);
  }
}
