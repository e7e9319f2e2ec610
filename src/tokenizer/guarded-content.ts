// Keeps what users write from being read as control tokens: inside message texts each special token's string
// is broken by a guard character, which encoding takes out again after it has looked for tokens.
// Works with any template, since the guard passes through it like a letter.
import type { ChatMessage } from './chat-template.ts';
import type { AddedToken } from './vocabulary.ts';

/** Unicode's noncharacters, never meant for interchange: one that the messages do not hold is the guard. */
const candidates = Array.from({ length: 32 }, (_, i) => String.fromCharCode(0xfdd0 + i));

/** The messages with their special tokens broken by `guard`, in every text but the role. */
export function guardContent(
  messages: readonly ChatMessage[],
  tokens: readonly AddedToken[],
): { messages: ChatMessage[]; guard: string } {
  const all = JSON.stringify(messages);
  const guard = candidates.find((candidate) => !all.includes(candidate));
  const contents = tokens.filter(({ special }) => special).map(({ content }) => content);
  // Held by all 32 at once no text is; should one be, taking the first out of it loses nothing readable.
  const used = guard ?? candidates[0]!;
  const protect = (text: string) => {
    let broken = text.replaceAll(used, '');
    for (const content of contents)
      broken = broken.replaceAll(content, () => content[0] + used + content.slice(1));
    return broken;
  };
  const guarded = messages.map(
    ({ role, ...rest }) =>
      ({ ...(mapTexts(rest, protect) as Omit<ChatMessage, 'role'>), role }) as ChatMessage,
  );
  return { messages: guarded, guard: used };
}

function mapTexts(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === 'string') return change(value);
  if (Array.isArray(value)) return value.map((item) => mapTexts(item, change));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapTexts(item, change)]));
}
