// Tool calls read back from text, in each format, cut at every place: the parts joined are always the same.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AnswerPart, CallParser } from '../../src/server/tools/call-parser.ts';
import {
  hermes,
  llama3,
  mistral,
  type ToolFormat,
  toolFormatOf,
} from '../../src/server/tools/tool-format.ts';

const names = ['get_weather', 'add'];

/** Text and calls of an answer that came in `pieces`. */
function read(format: ToolFormat, pieces: readonly string[], { parallel = true } = {}) {
  const parser = new CallParser(format, { names, parallel });
  const parts: AnswerPart[] = [...pieces.flatMap((piece) => parser.push(piece)), ...parser.flush()];
  let text = '';
  const calls: { name: string; args: string }[] = [];
  for (const part of parts) {
    if (part.type === 'text') text += part.text;
    else if (part.type === 'call') {
      expect(part.index).toBe(calls.length);
      calls.push({ name: part.name, args: '' });
    } else calls[part.index]!.args += part.text;
  }
  return { text, calls };
}

const weather = { name: 'get_weather', args: '{"city": "Lü\\"beck}", "days": [1, {"a": 2}]}' };
const add = { name: 'add', args: '{"a": 1, "b": -2.5e3}' };
const call = (key: string, { name, args }: { name: string; args: string }) =>
  `{"name": "${name}", "${key}": ${args}}`;

const cases: [string, ToolFormat, string, { text: string; calls: object[] }][] = [
  [
    'hermes, no call',
    hermes,
    'Just <b>text</b> and a < b',
    { text: 'Just <b>text</b> and a < b', calls: [] },
  ],
  [
    'hermes, one call',
    hermes,
    `<tool_call>\n${call('arguments', weather)}\n</tool_call>`,
    { text: '', calls: [weather] },
  ],
  [
    'hermes, text before two calls',
    hermes,
    `Let me look.\n\n<tool_call>\n${call('arguments', weather)}\n</tool_call>\n<tool_call>${call('arguments', add)}</tool_call>`,
    { text: 'Let me look.', calls: [weather, add] },
  ],
  [
    'hermes, arguments before the name',
    hermes,
    '<tool_call>{"arguments": {"a": 1}, "name": "add"}</tool_call> done',
    { text: ' done', calls: [{ name: 'add', args: '{"a": 1}' }] },
  ],
  [
    'hermes, arguments as a string of JSON',
    hermes,
    '<tool_call>{"name": "add", "arguments": "{\\"a\\": 1}"}</tool_call>',
    { text: '', calls: [{ name: 'add', args: '{"a": 1}' }] },
  ],
  [
    'hermes, a tag without a call',
    hermes,
    'The tag <tool_call> opens a call.',
    { text: 'The tag <tool_call> opens a call.', calls: [] },
  ],
  [
    'hermes, an object without a name',
    hermes,
    '<tool_call>{"a": 1}</tool_call>',
    { text: '<tool_call>{"a": 1}</tool_call>', calls: [] },
  ],
  [
    'hermes, cut off in the arguments',
    hermes,
    '<tool_call>{"name": "add", "arguments": {"a": 1, "b',
    { text: '', calls: [{ name: 'add', args: '{"a": 1, "b' }] },
  ],
  [
    'hermes, cut off in the name',
    hermes,
    '<tool_call>{"name": "ad',
    { text: '<tool_call>{"name": "ad', calls: [] },
  ],
  ['llama, one call', llama3, call('parameters', weather), { text: '', calls: [weather] }],
  [
    'llama, two calls',
    llama3,
    `${call('parameters', weather)}; ${call('parameters', add)}`,
    { text: '', calls: [weather, add] },
  ],
  ['llama, after its tag', llama3, `<|python_tag|>${call('parameters', add)}`, { text: '', calls: [add] }],
  [
    'llama, an object that names no function',
    llama3,
    '{"name": "Ada", "born": 1815}',
    { text: '{"name": "Ada", "born": 1815}', calls: [] },
  ],
  ['llama, text', llama3, 'Hello {world}', { text: 'Hello {world}', calls: [] }],
  [
    'mistral, two calls',
    mistral,
    `[TOOL_CALLS] [${call('arguments', weather)}, ${call('arguments', add)}]`,
    { text: '', calls: [weather, add] },
  ],
  ['mistral, text', mistral, 'A list [1, 2] of [TOOL', { text: 'A list [1, 2] of [TOOL', calls: [] }],
];

describe('an answer is parted into text and calls, however it is cut', () => {
  test.each(cases)('%s', (_name, format, answer, expected) => {
    expect(read(format, [answer])).toEqual(expected);
    expect(read(format, [...answer])).toEqual(expected);
    fc.assert(
      fc.property(fc.array(fc.nat(answer.length), { maxLength: 8 }), (cuts) => {
        const bounds = [0, ...cuts.sort((a, b) => a - b), answer.length];
        const pieces = bounds.slice(1).map((end, i) => answer.slice(bounds[i], end));
        expect(read(format, pieces)).toEqual(expected);
      }),
    );
  });

  test('where calls must not be parallel, those after the first are left out', () => {
    const answer = `Well.\n<tool_call>${call('arguments', add)}</tool_call>\n<tool_call>${call('arguments', weather)}</tool_call>`;
    for (const pieces of [[answer], [...answer]])
      expect(read(hermes, pieces, { parallel: false })).toEqual({ text: 'Well.', calls: [add] });
  });

  test('no text is lost or invented when there is no call', () => {
    const pieces = fc.array(
      fc.oneof(fc.string(), fc.constantFrom('<tool', '_call>', '{', '"name"', '\n', '[', ']')),
    );
    fc.assert(
      fc.property(pieces, fc.constantFrom(hermes, llama3, mistral), (list, format) => {
        const { text, calls } = read(format, list);
        if (calls.length === 0) expect(text).toBe(list.join(''));
      }),
    );
  });
});

test('the format shows in the chat template', () => {
  expect(toolFormatOf('{% for m in messages %}{{ m.content }}{% endfor %}')).toBeUndefined();
  expect(toolFormatOf('{% if tools %}<tool_call>{% endif %}')).toBe(hermes);
  expect(toolFormatOf('{% if tools %}[TOOL_CALLS]{% endif %}')).toBe(mistral);
  expect(toolFormatOf('{% if tools %}<|python_tag|>{% endif %}')).toBe(llama3);
  expect(toolFormatOf('{% if tools %}{{ tools | tojson }}{% endif %}')).toBe(hermes);
});
