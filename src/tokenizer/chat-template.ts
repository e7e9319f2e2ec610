// A model's chat template: messages in, the text of the prompt out. Templates are Jinja programs that come
// with the model; they get data only. Nothing here knows token ids.
import { AtomError, reasonOf } from '../errors.ts';
import { compileJinja } from './jinja.ts';
import { badTokenizer, isObject, readTokenizerFiles, type TokenizerFiles } from './tokenizer-files.ts';
import { namedToken } from './vocabulary.ts';

/** A message as OpenAI's API has it; fields beyond these (tool_calls, name, ...) reach the template as they are. */
export interface ChatMessage {
  readonly role: string;
  readonly content?: string | readonly ContentPart[] | null;
  readonly [field: string]: unknown;
}

export interface ContentPart {
  readonly type: string;
  readonly text?: string;
}

export interface ChatRequest {
  readonly messages: readonly ChatMessage[];
  /** End with the opening of the assistant's turn. Default true. */
  readonly addGenerationPrompt?: boolean;
  /** Function descriptions in OpenAI's form. */
  readonly tools?: readonly unknown[];
  /** Name of the template where the model has several; without it `tool_use` if there are tools, else `default`. */
  readonly template?: string;
  /** Further variables of the template, e.g. `enable_thinking`. */
  readonly variables?: Readonly<Record<string, unknown>>;
}

export class ChatTemplate {
  readonly #path: string;
  readonly #sources: ReadonlyMap<string, string>;
  readonly #tokens: Readonly<Record<string, string>>;
  readonly #parsed = new Map<string, ReturnType<typeof compileJinja>>();

  /** `tokens`: special tokens by the name the template has for them, e.g. bos_token. */
  constructor(path: string, sources: ReadonlyMap<string, string>, tokens: Readonly<Record<string, string>>) {
    this.#path = path;
    this.#sources = sources;
    this.#tokens = tokens;
  }

  /** Whether the model has any; without one `render` throws. */
  get exists(): boolean {
    return this.#sources.size > 0;
  }

  /** The template's own text, the one for tools where there are several; undefined where the model has none. */
  get source(): string | undefined {
    return this.#sources.get('tool_use') ?? this.#sources.get('default');
  }

  /**
   * The prompt's text, special tokens written out: encode it without adding any.
   * Throws `bad-request` with the template's own sentence when it refuses the messages.
   */
  render(request: ChatRequest): string {
    const { messages, addGenerationPrompt = true, tools, variables = {} } = request;
    const template = this.#template(this.#choose(request));
    const items = {
      ...this.#tokens,
      ...variables,
      messages: messages.map(withTextContent),
      tools: tools !== undefined && tools.length > 0 ? tools : null,
      documents: variables.documents ?? null,
      add_generation_prompt: addGenerationPrompt,
    };
    try {
      return template(items);
    } catch (error) {
      throw new AtomError('bad-request', `the chat template refuses these messages: ${reasonOf(error)}`, {
        cause: error,
      });
    }
  }

  #choose({ template, tools }: ChatRequest): string {
    if (this.#sources.size === 0) {
      throw new AtomError(
        'bad-request',
        `the model has no chat template (${this.#path}); use the completions API, ` +
          'or put a chat_template.jinja into its folder',
      );
    }
    const wanted =
      template ??
      (tools !== undefined && tools.length > 0 && this.#sources.has('tool_use') ? 'tool_use' : 'default');
    if (this.#sources.has(wanted)) return wanted;
    const known = [...this.#sources.keys()].join(', ');
    throw new AtomError('bad-request', `the model has no chat template "${wanted}", only: ${known}`);
  }

  #template(name: string): ReturnType<typeof compileJinja> {
    let parsed = this.#parsed.get(name);
    if (parsed === undefined) {
      try {
        parsed = compileJinja(this.#sources.get(name)!);
      } catch (error) {
        throw badTokenizer(this.#path, `the chat template does not parse: ${reasonOf(error)}`, error);
      }
      this.#parsed.set(name, parsed);
    }
    return parsed;
  }
}

/** Throws `bad-tokenizer` for a template that is neither text nor a list of named texts. */
export function parseChatTemplate({ config, specialTokens, template }: TokenizerFiles): ChatTemplate {
  const sources = new Map<string, string>();
  const declared = config.json.chat_template ?? undefined;
  if (typeof declared === 'string') sources.set('default', declared);
  else if (Array.isArray(declared)) {
    for (const item of declared) {
      if (!isObject(item) || typeof item.name !== 'string' || typeof item.template !== 'string') {
        throw badTokenizer(config.path, 'one of the templates in "chat_template" has no name or text');
      }
      sources.set(item.name, item.template);
    }
  } else if (declared !== undefined) {
    throw badTokenizer(config.path, '"chat_template" is neither a string nor a list of named templates');
  }
  if (template !== undefined) sources.set('default', template);

  const tokens: Record<string, string> = {};
  for (const name of ['bos_token', 'eos_token', 'pad_token', 'unk_token']) {
    const content = namedToken(config.json[name]) ?? namedToken(specialTokens.json[name]);
    if (content !== undefined) tokens[name] = content;
  }
  return new ChatTemplate(config.path, sources, tokens);
}

/** Text parts become one text, a line each, since most templates expect a string. */
function withTextContent(message: ChatMessage): ChatMessage {
  const { content, role } = message;
  if (content === undefined || content === null || typeof content === 'string') return message;
  const texts = content.map((part) => {
    if (part.type === 'text' && typeof part.text === 'string') return part.text;
    const reason = `a message of the ${role} has a part of type "${part.type}"; only text is supported`;
    throw new AtomError('bad-request', reason);
  });
  return { ...message, content: texts.join('\n') };
}

/** The template of a model folder without the rest of its tokenizer, or undefined where it has none. */
export function loadChatTemplate(dir: string): ChatTemplate | undefined {
  const template = parseChatTemplate(readTokenizerFiles(dir));
  return template.exists ? template : undefined;
}
