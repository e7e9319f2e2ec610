// JSON Schemas with each string held to one thing. xgrammar 0.1.27 follows a string's format and forgets its pattern, which
// mostly says more: zod writes both. It knows nothing of grammars' own notation.

/** What xgrammar's regular expressions do not know: looking around, borders of words, references, Unicode's classes. */
const unknownToPatterns = /\(\?(?:[=!]|<[=!])|\\[bBpPk1-9]/;

/** The formats it holds strings to. */
const knownFormats: ReadonlySet<unknown> = new Set([
  'date',
  'date-time',
  'duration',
  'email',
  'hostname',
  'ipv4',
  'ipv6',
  'json-pointer',
  'relative-json-pointer',
  'time',
  'uri',
  'uri-reference',
  'uri-template',
  'uuid',
]);

/** Values, not schemas. */
const isData: ReadonlySet<string> = new Set(['const', 'enum', 'default', 'examples']);

/** A copy in which a string with a pattern and a format keeps the pattern, unless only the format can be followed. */
export function withOneRulePerString(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(withOneRulePerString);
  if (typeof schema !== 'object' || schema === null) return schema;
  const { pattern, format } = schema as { pattern?: unknown; format?: unknown };
  const both = typeof pattern === 'string' && typeof format === 'string';
  const dropped =
    both && (unknownToPatterns.test(pattern) && knownFormats.has(format) ? 'pattern' : 'format');
  return Object.fromEntries(
    Object.entries(schema)
      .filter(([key]) => key !== dropped)
      .map(([key, value]) => [key, isData.has(key) ? value : withOneRulePerString(value)]),
  );
}
