// Messages and tools as the tokens of a prompt: OpenAI's messages in the form chat templates expect, then the template.
import type { ChatMessage } from '../../tokenizer/chat-template.ts';
import type { Service } from '../context.ts';
import type { ChatBodyMessage, ToolBody } from '../schemas/chat.ts';
import { withToolPrompt } from '../tools/tool-prompt.ts';
import { encodeWithin } from './prompts.ts';

export interface ChatPrompt {
  readonly messages: readonly ChatBodyMessage[];
  readonly tools: readonly ToolBody[];
  readonly addGenerationPrompt: boolean;
  /** Further variables of the template. */
  readonly variables: Readonly<Record<string, unknown>>;
}

/** Throws `bad-request` where the template refuses the messages. */
export function encodeChat(
  service: Service,
  { messages, tools, addGenerationPrompt, variables }: ChatPrompt,
): Int32Array {
  const forTemplate = messages.map(templateMessage);
  const inTemplate = service.toolFormat !== undefined;
  return encodeWithin(service, 'messages', (maxTokens) =>
    service.engine.tokenizer.encodeChat({
      messages: inTemplate
        ? forTemplate
        : withToolPrompt(forTemplate, { tools, takesSystem: service.takesSystem }),
      ...(inTemplate && { tools }),
      addGenerationPrompt,
      variables,
      // What a user writes must not open or close a turn.
      parseSpecialTokensInContent: false,
      maxTokens,
    }),
  );
}

function templateMessage(message: ChatBodyMessage): ChatMessage {
  const { role, content = message.refusal ?? '', tool_calls: calls, ...rest } = message;
  return {
    ...rest,
    // Templates know OpenAI's newer name for it not.
    role: role === 'developer' ? 'system' : role,
    content: typeof content === 'string' ? content : content.map(textPart),
    ...(calls !== undefined && {
      tool_calls: calls.map(templateCall),
    }),
  };
}

const textPart = ({ text, refusal }: { text?: string | undefined; refusal?: string | undefined }) => ({
  type: 'text',
  text: text ?? refusal ?? '',
});

type ToolCallBody = NonNullable<ChatBodyMessage['tool_calls']>[number];

/**
 * Templates write the arguments with `tojson`, so they must be a value here, where OpenAI's API has a text. What a model wrote
 * may be no JSON, and its client sends it back with the error it got: that one stays a text.
 */
function templateCall(call: ToolCallBody): object {
  const text = call.function.arguments;
  let args: unknown;
  try {
    args = JSON.parse(text === '' ? '{}' : text);
  } catch {
    args = text;
  }
  return { ...call, type: 'function', function: { ...call.function, arguments: args } };
}
