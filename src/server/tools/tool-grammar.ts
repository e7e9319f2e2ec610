// The grammar that makes a model call tools: its format's markers as fixed text, and per function its name and a JSON
// Schema of the arguments. Written as xgrammar's structural tags.
import type { ToolBody } from '../schemas/chat.ts';
import type { ToolFormat } from './tool-format.ts';

/** The structural tags used here (xgrammar, "Structural Tag" in its documentation). */
export type TagFormat =
  | { readonly type: 'const_string'; readonly value: string }
  | { readonly type: 'json_schema'; readonly json_schema: object }
  | { readonly type: 'any_text' }
  | { readonly type: 'sequence' | 'or'; readonly elements: readonly TagFormat[] }
  | Tag
  | {
      readonly type: 'triggered_tags';
      readonly triggers: readonly string[];
      readonly tags: readonly Tag[];
      readonly stop_after_first: boolean;
    }
  /** The engine's own: one or more. */
  | { readonly type: 'repeated'; readonly content: TagFormat; readonly separator: string };

interface Tag {
  readonly type: 'tag';
  readonly begin: string;
  readonly content: TagFormat;
  readonly end: string;
}

export interface CallGrammarOptions {
  readonly tools: readonly ToolBody[];
  /** Whether more than one call may follow another. */
  readonly parallel: boolean;
}

/** Nothing but one call, or more where they may be parallel. */
export function forcedCalls(format: ToolFormat, { tools, parallel }: CallGrammarOptions): TagFormat {
  const { before, after, separator } = format.forced;
  const call: TagFormat = { type: 'or', elements: tools.map((tool) => callTag(format, tool)) };
  const calls: TagFormat = parallel ? { type: 'repeated', content: call, separator } : call;
  if (format.perCall || before === '') return calls;
  const fixed = (value: string): TagFormat => ({ type: 'const_string', value });
  return { type: 'sequence', elements: [fixed(before), calls, fixed(after)] };
}

/** Any text, but a call that is begun must keep to its function's schema. */
export function checkedCalls(
  format: ToolFormat,
  { tools, parallel }: CallGrammarOptions,
): TagFormat | undefined {
  // Only a format whose calls each have markers of their own can be told from text.
  if (!format.perCall) return undefined;
  return {
    type: 'triggered_tags',
    triggers: [format.open],
    tags: tools.map((tool) => callTag(format, tool)),
    stop_after_first: !parallel,
  };
}

function callTag(format: ToolFormat, tool: ToolBody): Tag {
  const { before, after } = format.perCall ? format.forced : { before: '', after: '' };
  const { name } = tool.function;
  return {
    type: 'tag',
    begin: `${before}{"name": ${JSON.stringify(name)}, "${format.argumentsKey}": `,
    content: { type: 'json_schema', json_schema: argumentsSchema(tool) },
    end: `}${after}`,
  };
}

/** A function without parameters takes none; where they are anything, they are still an object. */
function argumentsSchema({ function: { parameters } }: ToolBody): object {
  if (parameters === undefined) return { type: 'object', properties: {}, additionalProperties: false };
  return Object.keys(parameters).length > 0 ? parameters : { type: 'object', additionalProperties: true };
}
