// Bodies that are wrong, generated: good ones with one field spoilt, values of every wrong kind, JSON cut and bent.
import fc from 'fast-check';

export interface HostileBody {
  readonly path: string;
  readonly body: Buffer;
}

const completion = { model: 'tiny-classics', prompt: 'Once upon', max_tokens: 4 };
const chat = { model: 'tiny-classics', messages: [{ role: 'user', content: 'Hello' }], max_tokens: 4 };

type Bad = readonly unknown[];
const notNumbers: Bad = ['1', {}, [1], true, Number.POSITIVE_INFINITY];
const notWhole: Bad = [...notNumbers, 0.5, -1e300];
const notTexts: Bad = [1, {}, true];
const notFlags: Bad = ['true', 1, {}, []];

/** Per field, values that must be refused. */
const shared: Readonly<Record<string, Bad>> = {
  model: [...notTexts, 'no-such-model', '../../etc/passwd', ''],
  n: [...notWhole, 0, -1, 129, 1e9, 2 ** 53],
  temperature: [...notNumbers, -0.1, 2.1, -1e308],
  top_p: [...notNumbers, -0.1, 1.1],
  top_k: [...notWhole, -2],
  min_p: [...notNumbers, -0.1, 1.1],
  presence_penalty: [...notNumbers, -2.1, 2.1],
  frequency_penalty: [...notNumbers, -2.1, 2.1],
  repetition_penalty: [...notNumbers, 0, -1],
  logit_bias: [1, 'x', [1], { a: 1 }, { '1': 'x' }, { '1': 101 }, { '-1': 1 }, { '4096': 1 }],
  seed: ['1', {}, 0.5, true],
  stop: [1, {}, [1], [''], '', Array(65).fill('a')],
  stop_token_ids: [1, ['a'], [-1], [0.5]],
  stream: notFlags,
  stream_options: [1, 'x', [], { include_usage: 'yes' }],
  min_tokens: [...notWhole, -1],
  ignore_eos: notFlags,
};

const completionFields: Readonly<Record<string, Bad>> = {
  ...shared,
  prompt: [
    undefined,
    null,
    1,
    {},
    [],
    [[]],
    [''.repeat(0), 1],
    [[1], 'a'],
    [-1],
    [0.5],
    [1e9],
    [[99999]],
    true,
  ],
  max_tokens: [...notWhole, -1, 0, 1e6, 2 ** 60],
  logprobs: [...notWhole, -1, 21, 1e9],
  echo: notFlags,
};

const chatFields: Readonly<Record<string, Bad>> = {
  ...shared,
  messages: [
    undefined,
    null,
    'Hello',
    {},
    [],
    [1],
    [null],
    [{}],
    [{ role: 'user' }],
    [{ role: 'wizard', content: 'x' }],
    [{ role: 'user', content: 1 }],
    [{ role: 'user', content: [1] }],
    [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'file:///etc/passwd' } }] }],
    [{ role: 'tool', content: 'x' }],
    [{ role: 'assistant', tool_calls: [{ id: 'a', function: { name: 'f', arguments: {} } }] }],
  ],
  max_tokens: [...notWhole, 0, -1, 1e6],
  max_completion_tokens: [...notWhole, 0, -1, 1e6],
  logprobs: ['yes', 1, {}],
  top_logprobs: [...notWhole, -1, 21, 3],
  response_format: [
    'json',
    {},
    { type: 'xml' },
    { type: 'json_schema' },
    { type: 'json_schema', json_schema: {} },
  ],
  tools: ['x', [1], [{}], [{ type: 'function' }], [{ type: 'function', function: { name: 'a b' } }]],
  tool_choice: [1, 'always', 'required', { type: 'function', function: { name: 'none' } }],
};

const deep = (levels: number, open: string, close: string) => open.repeat(levels) + close.repeat(levels);

const wrongField = (path: string, good: object, fields: Readonly<Record<string, Bad>>) =>
  fc
    .constantFrom(
      ...Object.entries(fields).flatMap(([name, values]) => values.map((value) => ({ name, value }))),
    )
    .map(({ name, value }) => ({
      path,
      body: Buffer.from(JSON.stringify({ ...good, [name]: value }, replaceInfinity)),
    }));

// JSON.stringify would make null of it, which is allowed.
const replaceInfinity = (_key: string, value: unknown) =>
  value === Number.POSITIVE_INFINITY ? '1e999' : value;

const notObjects = fc
  .oneof(
    fc.jsonValue().filter((value) => typeof value !== 'object' || value === null),
    fc.array(fc.jsonValue()),
  )
  .map((value) => Buffer.from(JSON.stringify(value)));

const notJson = fc.oneof(
  fc.nat(40).map((length) => Buffer.from(JSON.stringify(completion).slice(0, length))),
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  fc
    .constantFrom(
      '{"prompt": "a",}',
      "{'prompt': 'a'}",
      '{"prompt": NaN}',
      '{"prompt": "a"}}',
      '\ufeff',
      '',
      '{"a":1}{"b":2}',
    )
    .map((text) => Buffer.from(text)),
);

const notUtf8 = fc
  .constantFrom([0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82])
  .map((bytes) =>
    Buffer.concat([Buffer.from('{"prompt": "a'), Buffer.from(bytes), Buffer.from('", "max_tokens": 2}')]),
  );

const tooDeep = fc
  .integer({ min: 65, max: 100_000 })
  .chain((levels) =>
    fc.constantFrom(
      deep(levels, '[', ']'),
      deep(levels, '{"a":', '}').replace(':}', ':1}'),
      `{"prompt": "a", "user": ${deep(levels, '[', ']')}}`,
    ),
  )
  .map((text) => Buffer.from(text));

const tooLong = fc
  .integer({ min: 3000, max: 60_000 })
  .map((words) => Buffer.from(JSON.stringify({ ...completion, prompt: 'word '.repeat(words) })));

const polluting = fc.constantFrom(
  Buffer.from('{"__proto__": {"prompt": "a"}, "prompt": "b"}'),
  Buffer.from('{"prompt": "a", "stream_options": {"__proto__": {"include_usage": true}}}'),
);

const onPath = (path: string, bodies: fc.Arbitrary<Buffer>) =>
  bodies.map((body): HostileBody => ({ path, body }));

/** Each must be answered with a 4xx. */
export const hostileBodies: fc.Arbitrary<HostileBody> = fc.oneof(
  { weight: 5, arbitrary: wrongField('/v1/completions', completion, completionFields) },
  { weight: 5, arbitrary: wrongField('/v1/chat/completions', chat, chatFields) },
  ...['/v1/completions', '/v1/chat/completions', '/tokenize', '/detokenize'].flatMap((path) => [
    onPath(path, notObjects),
    onPath(path, notJson),
    onPath(path, notUtf8),
  ]),
  onPath('/v1/completions', tooDeep),
  onPath('/v1/completions', tooLong),
  onPath('/v1/completions', polluting),
);
