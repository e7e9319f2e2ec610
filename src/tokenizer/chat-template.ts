// Chat messages to the text a model was trained on, by the Jinja template that comes with it.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Template } from '@huggingface/jinja';
import { AtomError, reasonOf } from '../errors.ts';

export interface ChatMessage {
  readonly role: string;
  readonly content: string | null | readonly unknown[];
  readonly [key: string]: unknown;
}

export interface RenderOptions {
  readonly messages: readonly ChatMessage[];
  readonly tools?: readonly unknown[];
  /** Ends the text where the assistant's answer begins. On by default. */
  readonly addGenerationPrompt?: boolean;
  /** Further variables that some templates read. */
  readonly variables?: Readonly<Record<string, unknown>>;
}

export class ChatTemplate {
  readonly #template: Template;
  readonly #constants: Readonly<Record<string, unknown>>;

  constructor(source: string, constants: Readonly<Record<string, unknown>> = {}) {
    try {
      this.#template = new Template(source);
    } catch (cause) {
      throw new AtomError('bad-tokenizer', `the chat template cannot be parsed: ${reasonOf(cause)}`, {
        cause,
      });
    }
    this.#constants = constants;
  }

  /**
   * The prompt as text. Control tokens are written out in it: encode it with `addSpecialTokens: false`.
   * Throws `bad-request` with the template's own sentence when it refuses the messages.
   */
  render({ messages, tools, addGenerationPrompt = true, variables = {} }: RenderOptions): string {
    try {
      return this.#template.render({
        ...this.#constants,
        ...variables,
        messages,
        ...(tools && tools.length > 0 && { tools }),
        add_generation_prompt: addGenerationPrompt,
        raise_exception: (sentence: string) => {
          throw new Error(sentence);
        },
        strftime_now: (format: string) => formatDate(new Date(), format),
      });
    } catch (cause) {
      throw new AtomError(
        'bad-request',
        `the model's chat template refuses these messages: ${reasonOf(cause)}`,
        { cause },
      );
    }
  }
}

/** The template of a model folder, or undefined where it has none. chat_template.jinja wins over the config. */
export function loadChatTemplate(dir: string): ChatTemplate | undefined {
  const configFile = join(dir, 'tokenizer_config.json');
  const config = existsSync(configFile) ? readObject(configFile) : {};
  const constants = Object.fromEntries(
    ['bos_token', 'eos_token', 'pad_token', 'unk_token']
      .map((name) => [name, textOf(config[name])] as const)
      .filter(([, text]) => text !== undefined),
  );
  const jinjaFile = join(dir, 'chat_template.jinja');
  const source = existsSync(jinjaFile) ? readFileSync(jinjaFile, 'utf8') : sourceIn(config.chat_template);
  return source === undefined ? undefined : new ChatTemplate(source, constants);
}

/** A template, or a list of named ones of which 'default' is taken. */
function sourceIn(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return undefined;
  const named = value as { name?: unknown; template?: unknown }[];
  const chosen = named.find(({ name }) => name === 'default') ?? named[0];
  return typeof chosen?.template === 'string' ? chosen.template : undefined;
}

function textOf(token: unknown): string | undefined {
  if (typeof token === 'string') return token;
  if (typeof token === 'object' && token !== null && 'content' in token && typeof token.content === 'string')
    return token.content;
  return undefined;
}

function readObject(file: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (typeof value !== 'object' || value === null) throw new Error('not an object');
    return value as Record<string, unknown>;
  } catch (cause) {
    throw new AtomError('bad-tokenizer', `${file} cannot be read: ${reasonOf(cause)}`, { cause });
  }
}

/** The few fields of strftime that templates use. */
function formatDate(date: Date, format: string): string {
  const pad = (value: number) => String(value).padStart(2, '0');
  const month = (style: 'short' | 'long') => date.toLocaleString('en', { month: style });
  const fields: Readonly<Record<string, string>> = {
    Y: String(date.getFullYear()),
    m: pad(date.getMonth() + 1),
    d: pad(date.getDate()),
    H: pad(date.getHours()),
    M: pad(date.getMinutes()),
    S: pad(date.getSeconds()),
    b: month('short'),
    B: month('long'),
    A: date.toLocaleString('en', { weekday: 'long' }),
    '%': '%',
  };
  return format.replace(/%([YmdHMSbBA%])/g, (_, field: string) => fields[field]!);
}
