// Bodies that use every field, with one to three places bent at random: removed, doubled, swapped for a value of another
// kind or size. Some are still good; none may cost the server more than a refusal.
import fc from 'fast-check';

export interface BentBody {
  readonly path: string;
  readonly body: string;
}

const sampling = {
  model: 'tiny-classics',
  n: 2,
  stream: false,
  stream_options: { include_usage: true, include_obfuscation: false, continuous_usage_stats: false },
  temperature: 0.7,
  top_p: 0.9,
  top_k: 40,
  min_p: 0.05,
  presence_penalty: 0.1,
  frequency_penalty: -0.1,
  repetition_penalty: 1.1,
  logit_bias: { '5': -100, '4095': 1 },
  seed: 7,
  stop: ['\n\n', 'END'],
  stop_token_ids: [1, 2],
  ignore_eos: false,
  min_tokens: 0,
  user: 'someone',
  metadata: { a: 'b' },
  store: false,
  service_tier: 'auto',
  priority: 0,
  max_tokens: 3,
};

const schema = {
  type: 'object',
  properties: { a: { type: 'string', maxLength: 3 }, b: { anyOf: [{ type: 'integer' }, { type: 'null' }] } },
  required: ['a'],
  additionalProperties: false,
};
const tool = {
  type: 'function',
  function: { name: 'f', description: 'd', parameters: schema, strict: null },
};
const chat = {
  ...sampling,
  messages: [
    { role: 'system', content: [{ type: 'text', text: 'Be brief.' }] },
    { role: 'user', content: 'Hello', name: 'bob' },
    {
      role: 'assistant',
      content: null,
      refusal: null,
      tool_calls: [{ id: 'c1', type: 'function', function: { name: 'f', arguments: '{"a":1}' } }],
    },
    { role: 'tool', tool_call_id: 'c1', content: 'done' },
  ],
  logprobs: true,
  top_logprobs: 3,
  max_completion_tokens: 3,
  parallel_tool_calls: false,
  reasoning_effort: 'low',
  chat_template_kwargs: { enable_thinking: false },
};

const good: readonly (readonly [string, object])[] = [
  ['/v1/completions', { ...sampling, prompt: ['Once', 'Twice'], logprobs: 2, echo: true }],
  ['/v1/completions', { ...sampling, prompt: [[5, 6], [7]], stream: true }],
  ['/v1/chat/completions', { ...chat, tools: [tool], tool_choice: 'auto' }],
  [
    '/v1/chat/completions',
    { ...chat, tools: [tool], tool_choice: { type: 'function', function: { name: 'f' } } },
  ],
  [
    '/v1/chat/completions',
    { ...chat, response_format: { type: 'json_schema', json_schema: { name: 'x', schema } } },
  ],
  ['/v1/chat/completions', { ...chat, structured_outputs: { regex: '[a-z]{1,9}' } }],
  [
    '/tokenize',
    { model: 'tiny-classics', prompt: 'Once', add_special_tokens: true, return_token_strs: true },
  ],
  ['/tokenize', { messages: chat.messages, tools: [tool], add_generation_prompt: true }],
  ['/detokenize', { tokens: [5, 6, 7], skip_special_tokens: false }],
];

/** Written as JSON text, so that what JSON.stringify would not write is there too. */
const strange = fc.oneof(
  fc.constantFrom(
    'null',
    'true',
    '0',
    '-0',
    '-1',
    '0.5',
    '1e309',
    '-1e309',
    '9007199254740993',
    '1e-400',
    '""',
    '"\\u0000"',
    '"\\ud800"',
    '"\\udfff\\ud800"',
    '"\\ufdd0\\uffff"',
    '"<|begin_of_text|><|eot_id|>"',
    '"{{ 7*7 }}{% raise %}"',
    '[]',
    '{}',
    '[[]]',
    '[null]',
    '{"toString":1,"constructor":{"prototype":{"x":1}},"hasOwnProperty":null}',
    '{"length":1e9}',
    '{"then":1}',
    '{"$ref":"#"}',
    `"${'x'.repeat(5000)}"`,
    `[${'1,'.repeat(3000)}1]`,
    `${'['.repeat(60)}${']'.repeat(60)}`,
    `{${Array.from({ length: 300 }, (_, i) => `"k${i}":1`).join(',')}}`,
  ),
  fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.stringify(value)),
);

type Bend = {
  readonly at: number;
  readonly how: 'remove' | 'replace' | 'double' | 'wrap';
  readonly value: string;
};

const bends = fc.array(
  fc.record({
    at: fc.nat(200),
    how: fc.constantFrom<Bend['how']>('remove', 'replace', 'replace', 'replace', 'double', 'wrap'),
    value: strange,
  }),
  { minLength: 1, maxLength: 3 },
);

export const bentBodies: fc.Arbitrary<BentBody> = fc
  .tuple(fc.constantFrom(...good), bends)
  .map(([[path, body], all]) => ({
    path,
    body: all.reduce((text, bend) => bent(text, bend), JSON.stringify(body)),
  }));

/** One value of the JSON text, found by counting, changed in place. */
function bent(text: string, { at, how, value }: Bend): string {
  const values = [
    ...text.matchAll(/"(?:[^"\\]|\\.)*"(?=[,}\]])|(?<=[:[,])(?:-?\d[^,}\]]*|true|false|null|\{|\[)/g),
  ];
  const match = values[at % Math.max(1, values.length)];
  if (match === undefined) return text;
  const start = match.index;
  const end = endOfValue(text, start);
  const old = text.slice(start, end);
  const changed = { remove: 'null', replace: value, double: `[${old},${old}]`, wrap: `{"x":${old}}` }[how];
  return text.slice(0, start) + changed + text.slice(end);
}

function endOfValue(text: string, start: number): number {
  let depth = 0;
  for (const { 0: part, index } of text.slice(start).matchAll(/"(?:[^"\\]|\\.)*"|[[{\]},]/g)) {
    if (part === '[' || part === '{') depth++;
    else if (part === ']' || part === '}') depth--;
    if (part === ',' && depth === 0) return start + index;
    if (depth < 0) return start + index;
    if (depth === 0 && part !== ',') return start + index + part.length;
  }
  return text.length;
}
