// The field `structured_outputs` as the engine's grammar.
import type { Grammar } from '../../engine/engine-types.ts';
import { RequestError } from '../openai-errors.ts';
import type { StructuredOutputs } from '../schemas/sampling.ts';

/** Throws `bad-request` for a JSON Schema given as text that is no JSON. */
export function grammarOf(fields: StructuredOutputs): Grammar {
  const { json, regex, choice, grammar, structural_tag: tag } = fields;
  if (json !== undefined)
    return { type: 'json-schema', schema: typeof json === 'string' ? parsed(json) : json };
  if (regex !== undefined) return { type: 'regex', pattern: regex };
  // Strings of rules are written as JSON's are.
  if (choice !== undefined)
    return { type: 'ebnf', rules: `root ::= ${choice.map((text) => JSON.stringify(text)).join(' | ')}` };
  if (grammar !== undefined) return { type: 'ebnf', rules: grammar };
  if (tag !== undefined) return { type: 'structural-tag', format: tag };
  return { type: 'json' };
}

function parsed(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value;
  } catch {
    // Said below.
  }
  const param = 'structured_outputs.json';
  throw new RequestError('bad-request', `Invalid '${param}': expected a JSON Schema.`, { param });
}
