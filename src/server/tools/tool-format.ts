// How models write tool calls: one row per format with its syntax, and the grammar that forces calls of that form. Which
// one a model was trained on shows in its chat template.
import { randomText } from '../request-ids.ts';
import type { CallSyntax } from './call-parser.ts';

export interface ToolFormat extends CallSyntax {
  readonly name: 'hermes' | 'llama3-json' | 'mistral';
  /** What a forced answer begins and ends with, and what stands between its calls. */
  readonly forced: { readonly before: string; readonly after: string; readonly separator: string };
  /** The key of the arguments in a call. */
  readonly argumentsKey: 'arguments' | 'parameters';
  /** The markers are special tokens in some vocabularies, so that text must be decoded with these. */
  readonly markersAreSpecial: boolean;
  /** Whether `before` and `after` enclose each call rather than all. */
  readonly perCall: boolean;
}

const openaiId = () => `call_${randomText(24)}`;

/** Hermes 2 Pro, Qwen 2.5 and 3 and many fine-tunes; also what models without a format of their own are shown. */
export const hermes: ToolFormat = {
  name: 'hermes',
  open: '<tool_call>',
  close: '</tool_call>',
  between: ' \n\r\t',
  newId: openaiId,
  forced: { before: '<tool_call>\n', after: '\n</tool_call>', separator: '\n' },
  argumentsKey: 'arguments',
  markersAreSpecial: false,
  perCall: true,
};

/** Llama 3.1 to 3.3: the bare object, several with semicolons. */
export const llama3: ToolFormat = {
  name: 'llama3-json',
  open: '<|python_tag|>',
  bare: true,
  between: ' \n\r\t;',
  newId: openaiId,
  forced: { before: '', after: '', separator: '; ' },
  argumentsKey: 'parameters',
  markersAreSpecial: false,
  perCall: false,
};

/** Mistral 7B 0.3 to Small 3: an array after a marker. Its templates insist on ids of nine letters and digits. */
export const mistral: ToolFormat = {
  name: 'mistral',
  open: '[TOOL_CALLS]',
  between: ' \n\r\t[],',
  newId: () => randomText(9),
  forced: { before: '[TOOL_CALLS] [', after: ']', separator: ', ' },
  argumentsKey: 'arguments',
  markersAreSpecial: true,
  perCall: false,
};

/** The format a chat template teaches; undefined where it knows no tools at all. */
export function toolFormatOf(template: string): ToolFormat | undefined {
  if (!/\btools\b/.test(template)) return undefined;
  if (template.includes('[TOOL_CALLS]')) return mistral;
  if (template.includes('<tool_call>')) return hermes;
  if (template.includes('<|python_tag|>') || template.includes('"parameters": dictionary')) return llama3;
  return hermes;
}
