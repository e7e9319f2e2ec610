// Calls that must be made, on the real model: in each format and of any number, the text is read back as calls of the tools,
// with arguments of their schemas.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine } from '../../src/engine/engine.ts';
import { chatTools } from '../../src/server/generation/chat-tools.ts';
import { chatBody } from '../../src/server/schemas/chat.ts';
import { parseBody } from '../../src/server/schemas/parse.ts';
import type { AnswerPart } from '../../src/server/tools/call-parser.ts';
import { hermes, llama3, mistral, type ToolFormat } from '../../src/server/tools/tool-format.ts';
import { modelPath } from './scripted-engine.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await Engine.load(modelPath, { threads: 1, maxBatch: 8, kvMemory: 2 ** 24 });
});
afterAll(() => engine.close());

const tool = (name: string, property: string, schema: object) => ({
  type: 'function',
  function: {
    name,
    parameters: {
      type: 'object',
      properties: { [property]: schema },
      required: [property],
      additionalProperties: false,
    },
  },
});
const tools = [
  tool('look', 'place', { enum: ['harbour', 'deck'] }),
  // The names of this one's rules are those that grammars have of their own.
  tool('root', 'root', { type: 'integer', minimum: 1, maximum: 9 }),
];
const expected: Record<string, RegExp> = {
  look: /^\{"place": "(harbour|deck)"\}$/,
  root: /^\{"root": [1-9]\}$/,
};
const schema = {
  type: 'object',
  properties: { sure: { type: 'boolean' } },
  required: ['sure'],
  additionalProperties: false,
};

interface Answer {
  readonly text: string;
  readonly calls: { name: string; args: string }[];
  readonly reason: string;
}

/** What the model answers to `request` where its template has tools in `format`. */
async function answer(format: ToolFormat, request: object, seed: number): Promise<Answer> {
  const body = parseBody(chatBody, { messages: [{ role: 'user', content: 'Look!' }], tools, ...request });
  const { grammar, newCallParser } = chatTools(body, format);
  const parser = newCallParser!();
  const prompt = engine.tokenizer.encode('The captain said: ');
  const parts: AnswerPart[] = [];
  let reason = '';
  for await (const event of engine.generate({ prompt, grammar: grammar!, seed, maxTokens: 160 })) {
    if (event.type === 'prompt-logprobs') continue;
    parts.push(...parser.push(event.text));
    if (event.type === 'finish') reason = event.reason;
  }
  parts.push(...parser.flush());
  const calls = parts
    .filter((part) => part.type === 'call')
    .map(({ name, index }) => ({
      name,
      args: parts
        .map((part) => (part.type === 'arguments' && part.index === index ? part.text : ''))
        .join(''),
    }));
  return { text: parts.map((part) => (part.type === 'text' ? part.text : '')).join(''), calls, reason };
}

const several = <T>(count: number, ask: (seed: number) => Promise<T>) =>
  Promise.all(Array.from({ length: count }, (_, seed) => ask(seed)));

describe.each([hermes, llama3, mistral])('$name', (format) => {
  test('required: one call or several, and nothing else', async () => {
    const answers = await several(5, (seed) => answer(format, { tool_choice: 'required' }, seed));
    for (const { text, calls, reason } of answers) {
      expect(text).toBe('');
      // The last one may be cut where the answer is long.
      for (const { name, args } of reason === 'stop' ? calls : calls.slice(0, -1))
        expect(args).toMatch(expected[name]!);
    }
    const counts = answers.map(({ calls }) => calls.length);
    expect([Math.min(...counts) > 0, Math.max(...counts) > 1]).toEqual([true, true]);
  });

  test('required, one at a time; and one by its name', async () => {
    const request = { tool_choice: 'required', parallel_tool_calls: false };
    for (const one of await several(4, (seed) => answer(format, request, seed))) {
      expect(one).toMatchObject({ text: '', calls: [{}], reason: 'stop' });
      expect(one.calls[0]!.args).toMatch(expected[one.calls[0]!.name]!);
    }
    const named = { tool_choice: { type: 'function', function: { name: 'root' } } };
    const { calls, reason } = await answer(format, named, 1);
    expect([calls.length, calls[0]!.name, reason]).toEqual([1, 'root', 'stop']);
  });

  test('a function without parameters takes none', async () => {
    const bare = { tools: [{ type: 'function', function: { name: 'sail' } }] };
    const request = { ...bare, tool_choice: 'required', parallel_tool_calls: false };
    expect((await answer(format, request, 1)).calls).toEqual([{ name: 'sail', args: '{}' }]);
  });

  test('beside a response format: calls, or an answer of its schema', async () => {
    const response_format = { type: 'json_schema', json_schema: { name: 'answer', schema } };
    const answers = await several(6, (seed) =>
      answer(format, { response_format, parallel_tool_calls: seed % 2 === 0 }, seed),
    );
    for (const { text, calls, reason } of answers) {
      expect(reason === 'stop' || calls.length > 1).toBe(true);
      if (calls.length === 0) expect(text).toMatch(/^\{"sure": (true|false)\}$/);
      else expect(text).toBe('');
    }
  });
});
