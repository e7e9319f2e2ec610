// `atom chat`: a conversation in the terminal. Ctrl-C stops an answer, Ctrl-D ends.
import { createInterface } from 'node:readline/promises';
import { Command } from 'commander';
import { AtomError } from '../errors.ts';
import { type ChatMessage, loadChatTemplate } from '../tokenizer/chat-template.ts';
import { interruptSignal } from './interrupt.ts';
import { resolveModel } from './resolve-model.ts';
import { addSessionOptions, openSession, type SessionOptions } from './session.ts';

interface Options extends SessionOptions {
  readonly system?: string;
}

export function chatCommand(): Command {
  const command = new Command('chat')
    .description('talk with a model')
    .argument('<model>', 'folder of a checkpoint, or its id on the Hub')
    .option('--system <text>', 'instructions that stand before the conversation');
  return addSessionOptions(command).action(chat);
}

async function chat(model: string, options: Options): Promise<void> {
  const path = await resolveModel(model);
  const template = loadChatTemplate(path);
  if (!template) {
    throw new AtomError(
      'bad-request',
      `${path} has no chat template; use \`atom generate\`, or add a chat_template.jinja to the folder`,
    );
  }
  using session = openSession(path, options);
  const messages: ChatMessage[] =
    options.system === undefined ? [] : [{ role: 'system', content: options.system }];
  const terminal = createInterface({ input: process.stdin, output: process.stderr, prompt: '> ' });
  terminal.prompt();
  for await (const line of terminal) {
    if (line.trim() !== '') {
      messages.push({ role: 'user', content: line });
      const prompt = session.tokenizer.encode(template.render({ messages }), { addSpecialTokens: false });
      const content = await answer(session.stream.bind(null, prompt));
      messages.push({ role: 'assistant', content });
    }
    terminal.prompt();
  }
}

/** Prints an answer as it comes; an interrupt ends the answer and keeps the conversation. */
async function answer(stream: (options: { signal: AbortSignal }) => AsyncGenerator<string>): Promise<string> {
  using interrupt = interruptSignal();
  let text = '';
  try {
    for await (const piece of stream({ signal: interrupt.signal })) {
      process.stdout.write(piece);
      text += piece;
    }
  } catch (error) {
    if (!(error instanceof AtomError && error.code === 'cancelled')) throw error;
  }
  process.stdout.write('\n');
  return text;
}
