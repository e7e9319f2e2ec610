// Tools for models whose chat template knows none: the functions are described in a system message, and calls and results
// of earlier turns are written as text, in the Hermes form (Nous Research, Hermes 2 Pro model card).
import type { ChatMessage } from '../../tokenizer/chat-template.ts';
import type { ToolBody } from '../schemas/chat.ts';

export interface ToolPromptOptions {
  /** Empty only rewrites earlier calls and results. */
  readonly tools: readonly ToolBody[];
  /** Whether the template takes messages of the system; otherwise the first message bears the instructions. */
  readonly takesSystem: boolean;
}

/** The messages with tools in words. */
export function withToolPrompt(
  messages: readonly ChatMessage[],
  { tools, takesSystem }: ToolPromptOptions,
): ChatMessage[] {
  const written = joinResults(messages).map(inWords);
  if (tools.length === 0) return written;
  const instructions = instructionsFor(tools);
  const [first, ...others] = written;
  if (first?.role === 'system')
    return [{ ...first, content: `${textOf(first)}\n\n${instructions}` }, ...others];
  if (takesSystem || first === undefined) return [{ role: 'system', content: instructions }, ...written];
  return [{ ...first, content: `${instructions}\n\n${textOf(first)}` }, ...others];
}

/** The results of one turn's calls as one message, since many templates insist that roles alternate. */
function joinResults(messages: readonly ChatMessage[]): ChatMessage[] {
  const joined: ChatMessage[] = [];
  for (const message of messages) {
    const last = joined.at(-1);
    if (message.role === 'tool' && last?.role === 'tool')
      joined[joined.length - 1] = {
        ...last,
        content: `${textOf(last)}\n</tool_response>\n<tool_response>\n${textOf(message)}`,
      };
    else joined.push(message);
  }
  return joined;
}

function instructionsFor(tools: readonly ToolBody[]): string {
  const lines = tools.map(({ function: { name, description, parameters } }) =>
    JSON.stringify({ name, description, parameters }),
  );
  return [
    'You may call these functions, one JSON description a line:',
    ...lines,
    'To call one, answer with its name and its arguments as a JSON object within tags:',
    '<tool_call>',
    '{"name": "...", "arguments": {...}}',
    '</tool_call>',
  ].join('\n');
}

function inWords(message: ChatMessage): ChatMessage {
  if (message.role === 'tool')
    return { role: 'user', content: `<tool_response>\n${textOf(message)}\n</tool_response>` };
  const { tool_calls: calls, ...rest } = message;
  if (!Array.isArray(calls)) return message;
  const blocks = calls.map(({ function: call }: { function: { name: string; arguments: unknown } }) => {
    const { name, arguments: args } = call;
    return `<tool_call>\n${JSON.stringify({ name, arguments: args })}\n</tool_call>`;
  });
  const text = textOf(message);
  return { ...rest, content: [...(text === '' ? [] : [text]), ...blocks].join('\n') };
}

function textOf({ content }: ChatMessage): string {
  if (typeof content === 'string') return content;
  return (content ?? []).map((part) => part.text ?? '').join('\n');
}
