// The official client against the server: every feature through the types and helpers that users have. The engine's
// answers are written here, so that what the client must see is known; `real-engine.test.ts` has real ones.
import OpenAI from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { collect, runScript } from './running-server.ts';

const model = 'tiny-classics';
const text = 'It was the best of times; it was the worst of times – “naïve”, he said 🌊.';
const messages = [{ role: 'user', content: 'Go on' }] as const satisfies OpenAI.ChatCompletionMessageParam[];

describe('completions', () => {
  test('whole', async () => {
    await using server = await runScript({ answer: () => text });
    const completion = await server.client.completions.create({ model, prompt: 'Once', max_tokens: 100 });
    expect(completion.id).toMatch(/^cmpl-/);
    expect(completion.object).toBe('text_completion');
    expect(completion.system_fingerprint).toMatch(/^fp_/);
    expect(completion.choices).toEqual([{ index: 0, text, finish_reason: 'stop', logprobs: null }]);
    const { usage } = completion;
    expect(usage!.prompt_tokens + usage!.completion_tokens).toBe(usage!.total_tokens);
  });

  test('16 tokens where the client does not say', async () => {
    await using server = await runScript({ answer: () => text.repeat(3) });
    const { choices, usage } = await server.client.completions.create({ model, prompt: 'Once' });
    expect(choices[0]!.finish_reason).toBe('length');
    expect(usage!.completion_tokens).toBe(16);
  });

  test('streamed, the same text, in whole characters', async () => {
    await using server = await runScript({ answer: () => text });
    const stream = await server.client.completions.create({
      model,
      prompt: 'Once',
      max_tokens: 100,
      stream: true,
    });
    const pieces: string[] = [];
    for await (const { choices, usage } of stream) {
      expect(usage).toBeUndefined();
      pieces.push(choices[0]!.text);
    }
    expect(pieces.join('')).toBe(text);
    expect(pieces.length).toBeGreaterThan(10);
    for (const piece of pieces) expect(piece).not.toContain('\ufffd');
  });

  test('prompts as texts and as tokens, n of each, in order', async () => {
    await using server = await runScript({
      answer: ({ prompt }, index) => `${Array.from(prompt).slice(-1)} and ${index}`,
    });
    const { choices, usage } = await server.client.completions.create({ model, prompt: [[7, 8], [9]], n: 2 });
    expect(choices.map(({ index, text }) => [index, text])).toEqual([
      [0, '8 and 0'],
      [1, '8 and 1'],
      [2, '9 and 0'],
      [3, '9 and 1'],
    ]);
    expect(usage!.prompt_tokens).toBe(3);
    const texts = await server.client.completions.create({ model, prompt: ['a', 'b'] });
    expect(texts.choices).toHaveLength(2);
  });

  test('streams of several prompts keep their indexes', async () => {
    await using server = await runScript({ answer: ({ prompt }, index) => `${prompt[0]} ${index} ${text}` });
    const stream = await server.client.completions.create({
      model,
      prompt: [[70], [80]],
      n: 2,
      stream: true,
      max_tokens: 100,
    });
    const texts = ['', '', '', ''];
    for await (const { choices } of stream) for (const { index, text } of choices) texts[index] += text;
    expect(texts).toEqual([`70 0 ${text}`, `70 1 ${text}`, `80 0 ${text}`, `80 1 ${text}`]);
  });

  test('echo and log-probabilities as evaluation harnesses read them', async () => {
    await using server = await runScript({ answer: () => ' x' });
    const prompt = [0, 70, 71, 5];
    // What lm-eval sends for a log-likelihood.
    const { choices } = await server.client.completions.create({
      model,
      prompt: [prompt],
      echo: true,
      max_tokens: 1,
      logprobs: 1,
      temperature: 0,
      seed: 1234,
    });
    const { tokens, token_logprobs, top_logprobs, text_offset } = choices[0]!.logprobs!;
    for (const list of [tokens, token_logprobs, top_logprobs, text_offset]) expect(list).toHaveLength(5);
    expect(token_logprobs![0]).toBeNull();
    expect(token_logprobs!.slice(1, 4)).toEqual([-0.07, -0.071, -0.005]);
    expect(top_logprobs![0]).toBeNull();
    // Both the best token and the one that stands there, with identical numbers.
    expect(Object.values(top_logprobs![1]!)).toEqual([-0.005, -0.07]);
    expect(Object.values(top_logprobs![3]!)).toEqual([-0.005]);
    expect(text_offset![0]).toBe(0);
    const { text } = choices[0]!;
    const ends = [...text_offset!.slice(1), [...text].length];
    const characters = [...text];
    for (const [i, token] of tokens!.entries()) {
      if (i === 0) continue;
      expect(characters.slice(text_offset![i], ends[i]).join('')).toBe(token);
    }
  });

  test('bytes that are no character alone have names of their own', async () => {
    await using server = await runScript({ answer: () => '🌊' });
    const { choices } = await server.client.completions.create({
      model,
      prompt: 'a',
      logprobs: 0,
      max_tokens: 20,
    });
    const { tokens, text_offset } = choices[0]!.logprobs!;
    expect(choices[0]!.text).toBe('🌊');
    expect(tokens!.slice(0, -1).every((token) => /^bytes:(\\x[0-9a-f]{2})+$/.test(token))).toBe(true);
    expect(text_offset!.at(-1)).toBe(1);
  });

  test('what is valid but not done here is refused, not ignored', async () => {
    await using server = await runScript({});
    const refused = [{ suffix: 'x' }, { best_of: 3 }, { guided_json: {} }];
    for (const field of refused) {
      const call = server.client.completions.create({ model, prompt: 'x', ...field } as never);
      await expect(call).rejects.toMatchObject({
        status: 400,
        code: 'unsupported_parameter',
        param: Object.keys(field)[0],
      });
    }
  });

  test('unknown fields pass, known ones that are null count as absent', async () => {
    await using server = await runScript({});
    const body = { model, prompt: 'x', logprobs: null, stop: null, user: 'me', from_the_future: { a: 1 } };
    await expect(server.client.completions.create(body as never)).resolves.toBeDefined();
  });

  test('sampling fields reach the engine', async () => {
    await using server = await runScript({});
    await server.client.completions.create({
      model,
      prompt: 'x',
      temperature: 0.5,
      top_p: 0.9,
      presence_penalty: 1,
      frequency_penalty: -1,
      logit_bias: { '17': -100 },
      seed: 42,
      stop: 'END',
      max_tokens: 7,
      ...{
        top_k: -1,
        min_p: 0.1,
        repetition_penalty: 1.1,
        ignore_eos: true,
        min_tokens: 2,
        stop_token_ids: [9],
      },
    });
    expect(server.engine.requests[0]).toMatchObject({
      temperature: 0.5,
      topP: 0.9,
      presencePenalty: 1,
      frequencyPenalty: -1,
      logitBias: new Map([[17, -100]]),
      seed: 42,
      stop: ['END'],
      maxTokens: 7,
      topK: 0,
      minP: 0.1,
      repetitionPenalty: 1.1,
      ignoreEos: true,
      minTokens: 2,
      stopTokenIds: [9],
    });
  });
});

describe('chat', () => {
  test('whole', async () => {
    await using server = await runScript({ answer: () => text });
    const completion = await server.client.chat.completions.create({ model, messages });
    expect(completion.id).toMatch(/^chatcmpl-/);
    expect(completion.object).toBe('chat.completion');
    expect(completion.choices).toEqual([
      {
        index: 0,
        message: { role: 'assistant', content: text, refusal: null },
        logprobs: null,
        finish_reason: 'stop',
      },
    ]);
  });

  test('streamed with usage', async () => {
    await using server = await runScript({ answer: () => text });
    const stream = await server.client.chat.completions.create({
      model,
      messages,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = await collect(stream);
    expect(chunks[0]!.choices[0]!.delta).toEqual({ role: 'assistant', content: '' });
    expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).toBe(text);
    expect(chunks.at(-2)!.choices[0]).toMatchObject({ delta: {}, finish_reason: 'stop' });
    expect(chunks.at(-1)!.choices).toEqual([]);
    expect(chunks.at(-1)!.usage!.completion_tokens).toBeGreaterThan(10);
    for (const chunk of chunks.slice(0, -1)) expect(chunk.usage).toBeNull();
    expect(new Set(chunks.map(({ id, created, model }) => `${id} ${created} ${model}`)).size).toBe(1);
  });

  test('the streaming helper and its events', async () => {
    await using server = await runScript({ answer: () => text });
    const stream = server.client.chat.completions.stream({
      model,
      messages,
      stream_options: { include_usage: true },
    });
    let seen = '';
    stream.on('content', (delta) => {
      seen += delta;
    });
    expect(await stream.finalContent()).toBe(text);
    expect(seen).toBe(text);
    expect((await stream.totalUsage()).completion_tokens).toBeGreaterThan(10);
  });

  test('log-probabilities: one per token, whose bytes are the text', async () => {
    await using server = await runScript({ answer: () => text });
    const request = { model, messages, logprobs: true, top_logprobs: 1 } as const;
    const { choices, usage } = await server.client.chat.completions.create(request);
    const content = choices[0]!.logprobs!.content!;
    expect(content).toHaveLength(usage!.completion_tokens);
    expect(Buffer.from(content.flatMap(({ bytes }) => bytes ?? [])).toString()).toBe(text);
    for (const { top_logprobs } of content) expect(top_logprobs).toHaveLength(1);
    const stream = await server.client.chat.completions.create({ ...request, stream: true });
    const streamed = (await collect(stream)).flatMap((chunk) => chunk.choices[0]?.logprobs?.content ?? []);
    expect(streamed).toEqual(content);
  });

  test('content in parts, and every role', async () => {
    await using server = await runScript({});
    await server.client.chat.completions.create({
      model,
      messages: [
        { role: 'developer', content: 'Be brief.' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'One' },
            { type: 'text', text: 'two' },
          ],
        },
        { role: 'assistant', content: 'Three', refusal: null },
        { role: 'user', content: 'Four <|end_of_text|>' },
      ],
    });
    const { tokenizer, requests } = server.engine;
    expect(tokenizer.decode(requests[0]!.prompt)).toBe(
      'Be brief.\n\n"One\ntwo" said the visitor.\n\nThree\n\n"Four <|end_of_text|>" said the visitor.\n\n',
    );
    // A user cannot write a token that ends the text.
    expect(Array.from(requests[0]!.prompt)).not.toContain(tokenizer.eosId);
  });

  test('answers that were empty or refused go back as they came', async () => {
    await using server = await runScript({});
    const history = [
      ...messages,
      { role: 'assistant', content: null, refusal: null, audio: null, annotations: [] },
      ...messages,
      { role: 'assistant', content: null, refusal: 'I will not.' },
      ...messages,
    ] as OpenAI.ChatCompletionMessageParam[];
    await server.client.chat.completions.create({ model, messages: history });
    const { tokenizer, requests } = server.engine;
    expect(tokenizer.decode(requests[0]!.prompt)).toContain('I will not.');
    const old = [{ role: 'assistant', content: null, function_call: { name: 'f', arguments: '{}' } }];
    await expect(
      server.client.chat.completions.create({ model, messages: old as never }),
    ).rejects.toMatchObject({ status: 400, param: 'messages[0].function_call' });
  });

  test('a prompt without room for an answer', async () => {
    await using server = await runScript({});
    const call = server.client.chat.completions.create({
      model,
      messages: [{ role: 'user', content: 'word '.repeat(2000) }],
    });
    await expect(call).rejects.toBeInstanceOf(OpenAI.BadRequestError);
    await expect(call).rejects.toMatchObject({ code: 'context_length_exceeded', param: 'messages' });
  });
});

const tools: OpenAI.ChatCompletionTool[] = [
  {
    type: 'function',
    function: {
      name: 'get_weather',
      description: 'the weather of a city',
      parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
    },
  },
];
const call = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Lübeck"}}\n</tool_call>';

describe('tools', () => {
  test('a call is parsed back', async () => {
    await using server = await runScript({ answer: () => `Let me see.\n${call}` });
    const { choices } = await server.client.chat.completions.create({ model, messages, tools });
    expect(choices[0]!.finish_reason).toBe('tool_calls');
    expect(choices[0]!.message.content).toBe('Let me see.');
    expect(choices[0]!.message.tool_calls).toEqual([
      {
        id: expect.stringMatching(/^call_\w+$/),
        type: 'function',
        function: { name: 'get_weather', arguments: '{"city": "Lübeck"}' },
      },
    ]);
    // The demo model's template knows no tools: it is told in words.
    const prompt = server.engine.tokenizer.decode(server.engine.requests[0]!.prompt);
    expect(prompt).toContain('"name":"get_weather"');
  });

  test('streamed calls join to the same', async () => {
    await using server = await runScript({ answer: () => `${call}\n${call}` });
    const stream = server.client.chat.completions.stream({ model, messages, tools });
    const { choices } = await stream.finalChatCompletion();
    const [choice] = choices;
    expect(choice!.finish_reason).toBe('tool_calls');
    expect(
      choice!.message.tool_calls!.map(({ function: { name, arguments: args } }) => [name, args]),
    ).toEqual([
      ['get_weather', '{"city": "Lübeck"}'],
      ['get_weather', '{"city": "Lübeck"}'],
    ]);
    expect(new Set(choice!.message.tool_calls!.map(({ id }) => id)).size).toBe(2);
  });

  test('the tool runner goes the whole way', async () => {
    await using server = await runScript({
      answer: ({ prompt }) => (server.engine.tokenizer.decode(prompt).includes('storm') ? 'Stay in.' : call),
    });
    const asked: unknown[] = [];
    const runner = server.client.chat.completions.runTools({
      model,
      messages: [...messages],
      tools: [
        {
          type: 'function',
          function: {
            name: 'get_weather',
            description: 'the weather of a city',
            parameters: { type: 'object', properties: { city: { type: 'string' } } },
            parse: JSON.parse as (text: string) => { city: string },
            function: ({ city }: { city: string }) => {
              asked.push(city);
              return 'storm';
            },
          },
        },
      ],
    });
    expect(await runner.finalContent()).toBe('Stay in.');
    expect(asked).toEqual(['Lübeck']);
  });

  test('a forced call holds the engine to a grammar', async () => {
    await using server = await runScript({ answer: () => call });
    const required = { model, messages, tools, tool_choice: 'required' } as const;
    const { choices } = await server.client.chat.completions.create(required);
    expect(choices[0]!.finish_reason).toBe('tool_calls');
    const named = { type: 'function', function: { name: 'get_weather' } } as const;
    const forced = await server.client.chat.completions.create({ ...required, tool_choice: named });
    expect(forced.choices[0]!.finish_reason).toBe('stop');
    const grammars = server.engine.requests.map(({ grammar }) => grammar);
    expect(grammars).toMatchObject([
      { type: 'structural-tag', format: { type: 'repeated' } },
      { type: 'structural-tag', format: { type: 'or' } },
    ]);
    for (const grammar of grammars) expect(JSON.stringify(grammar)).toContain('get_weather');
  });

  test('tool_choice none, and one that is no tool', async () => {
    await using server = await runScript({ answer: () => call });
    const none = await server.client.chat.completions.create({ model, messages, tools, tool_choice: 'none' });
    expect(none.choices[0]!.message.content).toBe(call);
    const other = { type: 'function', function: { name: 'other' } } as const;
    const wrong = server.client.chat.completions.create({ model, messages, tools, tool_choice: other });
    await expect(wrong).rejects.toMatchObject({ status: 400, param: 'tool_choice' });
  });
});

test('structured outputs are parsed, and the engine is held to the schema', async () => {
  await using server = await runScript({ answer: () => '{"name": "Ada", "born": 1815}' });
  const person = z.object({ name: z.string(), born: z.number() });
  const { choices } = await server.client.chat.completions.parse({
    model,
    messages,
    response_format: zodResponseFormat(person, 'person'),
  });
  expect(choices[0]!.message.parsed).toEqual({ name: 'Ada', born: 1815 });
  expect(server.engine.requests[0]!.grammar).toMatchObject({
    type: 'json-schema',
    schema: { properties: { name: { type: 'string' } } },
  });
});

describe('errors', () => {
  test('have the class of their status, a code and the field', async () => {
    await using server = await runScript({});
    const missing = server.client.completions.create({ model: 'other', prompt: 'x' });
    await expect(missing).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    await expect(missing).rejects.toMatchObject({ status: 404, code: 'model_not_found', param: 'model' });
    const wrong = server.client.completions.create({ model, prompt: 'x', temperature: 3 });
    await expect(wrong).rejects.toBeInstanceOf(OpenAI.BadRequestError);
    await expect(wrong).rejects.toMatchObject({
      param: 'temperature',
      requestID: expect.stringMatching(/^req_/),
    });
  });

  test('in mid-stream arrive as an error of the stream', async () => {
    await using server = await runScript({ answer: () => text, failAt: 5 });
    const stream = await server.client.chat.completions.create({ model, messages, stream: true });
    let seen = '';
    const read = async () => {
      for await (const { choices } of stream) seen += choices[0]?.delta.content ?? '';
    };
    await expect(read()).rejects.toBeInstanceOf(OpenAI.APIError);
    expect(seen).not.toBe('');
    const response = await server.post('/v1/chat/completions', { messages, stream: true });
    const frames = (await response.text()).trimEnd().split('\n\n');
    expect(JSON.parse(frames.at(-2)!.slice(6))).toMatchObject({ error: { code: 'internal_error' } });
    expect(frames.at(-1)).toBe('data: [DONE]');
  });

  test('before the stream begins have their status', async () => {
    await using server = await runScript({ failAt: 0 });
    const call = server.client.chat.completions.create({ model, messages, stream: true });
    await expect(call).rejects.toBeInstanceOf(OpenAI.InternalServerError);
  });
});

test('an aborted request ends on the engine', async () => {
  await using server = await runScript({ answer: () => text.repeat(50), stepMs: 5 });
  const stream = await server.client.chat.completions.create({ model, messages, stream: true });
  let count = 0;
  for await (const _ of stream) if (++count === 3) break;
  await expect.poll(() => server.engine.active).toBe(0);
  expect(server.engine.aborted).toBe(1);
  // Also one that does not stream.
  const controller = new AbortController();
  const call = server.client.chat.completions.create({ model, messages }, { signal: controller.signal });
  await expect.poll(() => server.engine.active).toBe(1);
  controller.abort();
  await expect(call).rejects.toBeInstanceOf(OpenAI.APIUserAbortError);
  await expect.poll(() => server.engine.active).toBe(0);
});

test('models are listed and found by name', async () => {
  await using server = await runScript({}, { servedModelName: ['org/tiny', 'gpt-4o'] });
  const list = await collect(server.client.models.list());
  expect(list.map(({ id }) => id)).toEqual(['org/tiny', 'gpt-4o']);
  expect(list[0]).toMatchObject({ object: 'model', owned_by: 'atom', max_model_len: 1024 });
  expect((await server.client.models.retrieve('org/tiny')).id).toBe('org/tiny');
  await expect(server.client.models.retrieve('nope')).rejects.toMatchObject({
    status: 404,
    code: 'model_not_found',
  });
  const { model: shown } = await server.client.completions.create({ model: 'gpt-4o', prompt: 'x' });
  expect(shown).toBe('org/tiny');
});
