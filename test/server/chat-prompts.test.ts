// Conversations with tools as prompts, for templates that know tools and for those that know none: the expected texts are
// what the templates' authors show.
import { describe, expect, test } from 'vitest';
import type { ServerContext } from '../../src/server/context.ts';
import { encodeChat } from '../../src/server/generation/chat-prompt.ts';
import { readServerOptions } from '../../src/server/read-options.ts';
import { chatBody } from '../../src/server/schemas/chat.ts';
import { parseBody } from '../../src/server/schemas/parse.ts';
import { serviceFor } from '../../src/server/service.ts';
import { loadTokenizer } from '../../src/tokenizer/load-tokenizer.ts';
import { type Files, folderOf, llama3Like } from '../tokenizer/fixtures.ts';
import { ScriptedEngine } from './scripted-engine.ts';

/** A service around a tokenizer with the template. */
function serviceWith(template: string, change: (files: Files) => void = () => {}) {
  const files = llama3Like();
  files.config.chat_template = template;
  change(files);
  const engine = Object.assign(new ScriptedEngine(), { tokenizer: loadTokenizer(folderOf(files)) });
  const context = { options: readServerOptions({}), version: '0', modelPath: '/m' } as ServerContext;
  return serviceFor(context, engine);
}

const weather = {
  type: 'function',
  function: { name: 'get_weather', description: null, parameters: { type: 'object' }, strict: null },
};

/** The prompt of a request, as text. */
function promptOf(template: string, request: { messages: object[]; tools?: object[] | null }): string {
  const service = serviceWith(template);
  const { messages, tools } = parseBody(chatBody, request);
  const prompt = { messages, tools: tools ?? [], addGenerationPrompt: true, variables: {} };
  return service.engine.tokenizer.decode(encodeChat(service, prompt));
}

/** Turns must alternate and there is no system, as with Gemma and Mistral 7B 0.1. */
const strict =
  "{% for m in messages %}{% if m.role not in ['user', 'assistant'] %}{{ raise_exception('no ' + m.role) }}{% endif %}" +
  "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}" +
  '<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>';

const question = { role: 'user', content: 'Weather?' };
const calls = (ids: string[]) => ({
  role: 'assistant',
  content: null,
  tool_calls: ids.map((id) => ({
    id,
    type: 'function',
    function: { name: 'get_weather', arguments: '{"city": "Lübeck"}' },
  })),
});
const result = (id: string, content: string) => ({ role: 'tool', tool_call_id: id, content });

describe('a template without tools', () => {
  test('and without a system has the functions in its first message', () => {
    const prompt = promptOf(strict, { messages: [question], tools: [weather] });
    expect(prompt).toMatch(/^<user>You may call these functions/);
    expect(prompt).toContain('{"name":"get_weather","parameters":{"type":"object"}}');
    expect(prompt).toMatch(/<\/tool_call>\n\nWeather\?<assistant>$/);
  });

  test('has them in a message of the system where it takes one', () => {
    const template = '{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}';
    expect(promptOf(template, { messages: [question], tools: [weather] })).toMatch(
      /^<system>You may call these functions.*<user>Weather\?$/s,
    );
  });

  test('sees the results of several calls as one turn', () => {
    const messages = [question, calls(['a', 'b']), result('a', '1'), result('b', '2')];
    expect(promptOf(strict, { messages })).toBe(
      '<user>Weather?<assistant>' +
        '<tool_call>\n{"name":"get_weather","arguments":{"city":"Lübeck"}}\n</tool_call>\n'
          .repeat(2)
          .trimEnd() +
        '<user><tool_response>\n1\n</tool_response>\n<tool_response>\n2\n</tool_response><assistant>',
    );
  });

  test('refuses with its own sentence what it does not take', () => {
    const messages = [{ role: 'system', content: 'Be brief.' }, question];
    expect(() => promptOf(strict, { messages })).toThrow(
      expect.objectContaining({ code: 'bad-request', message: expect.stringContaining('no system') }),
    );
  });
});

describe('a template with tools', () => {
  // The branches of Llama 3.1's.
  const llama =
    "{% for m in messages %}{% if not (m.role == 'tool' or 'tool_calls' in m) %}<{{ m.role }}>{{ m.content | trim }}" +
    "{% elif 'tool_calls' in m %}{% if not m.tool_calls | length == 1 %}{{ raise_exception('one at once') }}{% endif %}" +
    '<assistant>{"name": "{{ m.tool_calls[0].function.name }}", "parameters": {{ m.tool_calls[0].function.arguments | tojson }}}' +
    '{% else %}<ipython>{{ m.content }}{% endif %}{% endfor %}{% if tools %}<|python_tag|>{% endif %}';

  test('gets arguments as an object', () => {
    expect(promptOf(llama, { messages: [question, calls(['a']), result('a', '3')] })).toBe(
      '<user>Weather?<assistant>{"name": "get_weather", "parameters": {"city": "Lübeck"}}<ipython>3',
    );
  });

  test('gets what is no JSON as the text it is', () => {
    const [call] = calls(['a']).tool_calls;
    const broken = {
      role: 'assistant',
      tool_calls: [{ ...call, function: { name: 'f', arguments: '{"city": ' } }],
    };
    const template =
      '{% if tools %}{% endif %}{% for m in messages %}{{ m.tool_calls | tojson }}{% endfor %}';
    const prompt = promptOf(template, { messages: [question, broken, result('a', 'no JSON')] });
    expect(prompt).toContain('"arguments": "{\\"city\\": "');
    const words = promptOf(strict, { messages: [question, broken, result('a', 'no JSON'), calls(['b'])] });
    expect(words).toContain('"arguments":"{\\"city\\": "');
  });

  test('does not see fields that clients send as null', () => {
    const empty = {
      role: 'assistant',
      content: 'Hi',
      tool_calls: null,
      name: null,
      audio: null,
      refusal: null,
    };
    expect(promptOf(llama, { messages: [question, empty, question], tools: null })).toBe(
      '<user>Weather?<assistant>Hi<user>Weather?',
    );
  });

  test('has its marks kept in the text where they are control tokens', () => {
    const template = '{% if tools %}<tool_call>{% endif %}';
    const id = 40_000;
    const mark = {
      id,
      content: '<tool_call>',
      lstrip: false,
      rstrip: false,
      normalized: false,
      single_word: false,
    };
    const addMark = (special: boolean) => (files: Files) =>
      void (files.tokenizer.added_tokens as object[]).push({ ...mark, special });
    expect(serviceWith(template).toolFormat).toMatchObject({ name: 'hermes', markersAreSpecial: false });
    expect(serviceWith(template, addMark(false)).toolFormat?.markersAreSpecial).toBe(false);
    expect(serviceWith(template, addMark(true)).toolFormat?.markersAreSpecial).toBe(true);
  });
});
