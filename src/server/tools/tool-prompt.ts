// Tools for models whose chat template knows none: the functions are described in a system message, and calls and results
// of earlier turns are written as text, in the Hermes form (Nous Research, Hermes 2 Pro model card).
import type { ChatMessage } from '../../tokenizer/chat-template.ts';
import type { ToolBody } from '../schemas/chat.ts';

/** The messages with tools in words; `tools` empty only rewrites earlier calls and results. */
export function withToolPrompt(messages: readonly ChatMessage[], tools: readonly ToolBody[]): ChatMessage[] {
  const written = messages.map(inWords);
  if (tools.length === 0) return written;
  const instructions = instructionsFor(tools);
  const [first, ...others] = written;
  if (first?.role === 'system')
    return [{ ...first, content: `${textOf(first)}\n\n${instructions}` }, ...others];
  return [{ role: 'system', content: instructions }, ...written];
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
