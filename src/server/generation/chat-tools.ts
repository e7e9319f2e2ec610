// What a chat request's tools, tool choice and response format ask of the engine: which functions the model is told of,
// how its calls are read back, and which grammar holds it.
import type { Grammar } from '../../engine/engine-types.ts';
import { RequestError } from '../openai-errors.ts';
import type { ChatBody, ResponseFormat, ToolBody, ToolChoice } from '../schemas/chat.ts';
import { CallParser } from '../tools/call-parser.ts';
import { hermes, type ToolFormat } from '../tools/tool-format.ts';
import { checkedCalls, forcedCalls, type TagFormat } from '../tools/tool-grammar.ts';

export interface ChatTools {
  /** Those the model is told of. */
  readonly tools: readonly ToolBody[];
  readonly newCallParser: (() => CallParser) | undefined;
  readonly grammar: Grammar | undefined;
  /** The client named the one function to call. */
  readonly namedFunction: boolean;
  /** Marks of calls are special tokens and must stay in the text. */
  readonly keepSpecialTokens: boolean;
}

/** `own`: the format of the model's template, if it knows tools. Throws `bad-request` for a choice that is no tool. */
export function chatTools(body: ChatBody, own: ToolFormat | undefined): ChatTools {
  const { tool_choice: choice = 'auto', response_format: responseFormat } = body;
  const all = body.tools ?? [];
  const { tools, must } = chosen(all, choice);
  if (tools.length === 0) {
    return {
      tools: [],
      newCallParser: undefined,
      grammar: grammarOf(responseFormat),
      namedFunction: false,
      keepSpecialTokens: false,
    };
  }
  const format = own ?? hermes;
  const callNames = tools.map((tool) => tool.function.name);
  const parallel = body.parallel_tool_calls ?? true;
  const namedFunction = typeof choice === 'object' && choice.type === 'function';
  const tags = must
    ? forcedCalls(format, { tools, parallel: parallel && !namedFunction })
    : freeAnswer(format, tools, parallel, responseFormat);
  return {
    tools,
    newCallParser: () => new CallParser(format, { names: callNames, parallel }),
    grammar: tags && { type: 'structural-tag', format: tags },
    namedFunction,
    keepSpecialTokens: format.markersAreSpecial,
  };
}

function chosen(all: readonly ToolBody[], choice: ToolChoice): { tools: readonly ToolBody[]; must: boolean } {
  if (choice === 'none') return { tools: [], must: false };
  if (choice === 'auto') return { tools: all, must: false };
  if (all.length === 0) throw invalidChoice('tool_choice', 'it is only allowed when "tools" are given');
  if (choice === 'required') return { tools: all, must: true };
  const wanted = choice.type === 'function' ? [choice] : choice.allowed_tools.tools;
  const tools = wanted.map(({ function: { name } }) => {
    const tool = all.find((candidate) => candidate.function.name === name);
    if (tool === undefined) throw invalidChoice('tool_choice', `there is no tool "${name}"`);
    return tool;
  });
  return { tools, must: choice.type === 'function' || choice.allowed_tools.mode === 'required' };
}

/** The model may answer or call: a response format holds for answers, `strict` for calls. */
function freeAnswer(
  format: ToolFormat,
  tools: readonly ToolBody[],
  parallel: boolean,
  responseFormat: ResponseFormat | undefined,
): TagFormat | undefined {
  const schema = schemaOf(responseFormat);
  if (schema !== undefined) {
    const answer: TagFormat = { type: 'json_schema', json_schema: schema };
    return { type: 'or', elements: [forcedCalls(format, { tools, parallel }), answer] };
  }
  return tools.some((tool) => tool.function.strict === true)
    ? checkedCalls(format, { tools, parallel })
    : undefined;
}

function grammarOf(format: ResponseFormat | undefined): Grammar | undefined {
  if (format?.type === 'json_object') return { type: 'json' };
  const schema = schemaOf(format);
  return schema && { type: 'json-schema', schema };
}

function schemaOf(format: ResponseFormat | undefined): object | undefined {
  if (format === undefined || format.type === 'text') return undefined;
  const any = { type: 'object', additionalProperties: true };
  return format.type === 'json_object' ? any : (format.json_schema.schema ?? any);
}

const invalidChoice = (param: string, reason: string) =>
  new RequestError('bad-request', `Invalid '${param}': ${reason}.`, { param, openaiCode: 'invalid_value' });
