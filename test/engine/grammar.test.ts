// Answers held to grammars on the real model: whatever is sampled, the text is of the grammar; broken and hostile grammars
// hurt nobody else.
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine } from '../../src/engine/engine.ts';
import type { GenerateRequest, Grammar } from '../../src/engine/engine-types.ts';
import { spellClasses } from '../../src/engine/grammar/character-classes.ts';
import { GrammarThread } from '../../src/engine/grammar/grammar-thread.ts';
import { withOneRulePerString } from '../../src/engine/grammar/schema-strings.ts';
import { SharedMask } from '../../src/engine/grammar/shared-mask.ts';
import type { Sequence } from '../../src/engine/sequence.ts';
import { AtomError } from '../../src/errors.ts';

const modelPath = resolve(import.meta.dirname, '../../models/tiny-classics');
let engine: Engine;
beforeAll(async () => {
  // One thread: a machine that others use too is slow to bring two together.
  engine = await Engine.load(modelPath, { threads: 1, maxBatch: 16, kvMemory: 2 ** 24, speculative: 4 });
});
afterAll(() => engine.close());

interface Answer {
  text: string;
  reason?: string;
  tokens: number[];
}

async function answers(request: Partial<GenerateRequest>): Promise<Answer[]> {
  const prompt = engine.tokenizer.encode('The captain said: ');
  const all: Answer[] = [];
  for await (const event of engine.generate({ prompt, maxTokens: 400, ...request })) {
    if (event.type === 'prompt-logprobs') continue;
    all[event.index] ??= { text: '', tokens: [] };
    const answer = all[event.index]!;
    answer.text += event.text;
    if (event.type === 'token') answer.tokens.push(event.tokenId);
    else answer.reason = event.reason;
  }
  return all;
}

const schema = {
  type: 'object',
  properties: {
    name: { type: 'string', maxLength: 12 },
    age: { type: 'integer', minimum: 0, maximum: 150 },
    mood: { enum: ['calm', 'stormy'] },
    crew: { type: 'array', items: { type: 'boolean' }, maxItems: 3 },
  },
  required: ['name', 'age', 'mood', 'crew'],
  additionalProperties: false,
};

function expectSailor(text: string): void {
  const sailor = JSON.parse(text) as Record<string, unknown>;
  expect(Object.keys(sailor)).toEqual(['name', 'age', 'mood', 'crew']);
  expect([...String(sailor.name)].length).toBeLessThanOrEqual(12);
  expect(Number.isInteger(sailor.age) && Number(sailor.age) >= 0 && Number(sailor.age) <= 150).toBe(true);
  expect(['calm', 'stormy']).toContain(sailor.mood);
  expect((sailor.crew as unknown[]).every((member) => typeof member === 'boolean')).toBe(true);
}

describe('answers are of their grammar', () => {
  test('a JSON schema, at temperatures high and low, several answers of a prompt', async () => {
    const grammar = { type: 'json-schema', schema } as const;
    for (const temperature of [0, 1.5]) {
      const all = await answers({ grammar, temperature, seed: 3, n: 3 });
      for (const { text, reason } of all) {
        expect(reason).toBe('stop');
        expectSailor(text);
      }
      if (temperature > 0) expect(new Set(all.map(({ text }) => text)).size).toBeGreaterThan(1);
    }
  });

  test('a regular expression', async () => {
    const grammar = { type: 'regex', pattern: '[A-F]{2}-[0-9]{4}(x|yy)' } as const;
    for (const seed of [1, 2, 3, 4]) {
      const [answer] = await answers({ grammar, seed, temperature: 2 });
      expect(answer).toMatchObject({
        reason: 'stop',
        text: expect.stringMatching(/^[A-F]{2}-[0-9]{4}(x|yy)$/),
      });
    }
  });

  test('patterns with a dot: characters come whole, and JSON stays JSON', async () => {
    const n = 6;
    for (const { text } of await answers({
      n,
      temperature: 1.5,
      maxTokens: 60,
      grammar: { type: 'regex', pattern: 'a.{5}[\\s\\S]z' },
    }))
      expect(text).toMatch(/^a.{5}[\s\S]z$/su);
    const patterns = ['^.{0,12}$', '^[^a]{3,9}$', '^[ -~]{4,8}$', '^(.|ab)\\S\\W$'];
    for (const pattern of patterns) {
      const held = { type: 'object', properties: { s: { type: 'string', pattern } }, required: ['s'] };
      const request = { n, temperature: 2, maxTokens: 100, seed: 4 };
      for (const { text } of await answers({ ...request, grammar: { type: 'json-schema', schema: held } }))
        expect((JSON.parse(text) as { s: string }).s).toMatch(new RegExp(pattern, 'u'));
    }
  });

  test('rules in EBNF that nest', async () => {
    const rules = 'root ::= sum\nsum ::= term (" + " term){1,3}\nterm ::= [1-9] | "(" sum ")"';
    const seeds = [1, 2, 3, 4, 5, 6].map((seed) =>
      answers({ grammar: { type: 'ebnf', rules }, seed, maxTokens: 300 }),
    );
    const whole = (await Promise.all(seeds)).flat().filter(({ reason }) => reason === 'stop');
    expect(whole.length).toBeGreaterThan(2);
    for (const { text } of whole) {
      expect(text).toMatch(/^[1-9() +]+$/);
      expect(Number.isSafeInteger(new Function(`return ${text}`)())).toBe(true);
    }
  });

  test('any JSON object; characters beyond ASCII come whole', async () => {
    for (const seed of [1, 2, 3]) {
      const regex = { type: 'regex', pattern: '"[ä-ü€]{3}"' } as const;
      expect((await answers({ grammar: regex, seed }))[0]!.text).toMatch(/^"[ä-ü€]{3}"$/);
      const rules = { type: 'ebnf', rules: 'start ::= [日本]\nroot ::= start start' } as const;
      expect((await answers({ grammar: rules, seed }))[0]!.text).toMatch(/^[日本]{2}$/);
    }
    for (const seed of [1, 2, 3]) {
      const [answer] = await answers({ grammar: { type: 'json' }, seed, maxTokens: 600 });
      if (answer!.reason !== 'stop') continue;
      expect(typeof JSON.parse(answer!.text)).toBe('object');
    }
  });

  test('a structural tag: free text, but what the tag begins is held to its schema', async () => {
    const tag = {
      type: 'tag',
      begin: '<call>',
      content: {
        type: 'json_schema',
        json_schema: {
          type: 'object',
          properties: { n: { type: 'integer', minimum: 0, maximum: 99 } },
          required: ['n'],
        },
      },
      end: '</call>',
    };
    const grammar = { type: 'structural-tag', format: tag } as const;
    const [answer] = await answers({ grammar, seed: 5 });
    const [, json] = /^<call>(.*)<\/call>$/s.exec(answer!.text)!;
    expect(Number.isInteger((JSON.parse(json!) as { n: number }).n)).toBe(true);
  });

  test('a seeded answer is the same alone and in a crowd of held and free ones', async () => {
    const held = { grammar: { type: 'json-schema', schema }, seed: 9 } as const;
    const [alone] = await answers(held);
    const crowd = Array.from({ length: 24 }, (_, seed) =>
      answers(seed % 2 === 0 ? held : { seed, maxTokens: 40 }),
    );
    for (const [i, [answer]] of (await Promise.all(crowd)).entries())
      if (i % 2 === 0) expect(answer).toEqual(alone);
  });
});

describe('grammars that cannot be', () => {
  const codeOf = async (grammar: Grammar) => {
    const error = await answers({ grammar }).catch((reason: unknown) => reason);
    return error instanceof AtomError ? [error.code, error.message] : error;
  };

  test.each<[string, Grammar, RegExp]>([
    ['no such type', { type: 'json-schema', schema: { type: 'sailor' } }, /Unsupported type/],
    ['a broken expression', { type: 'regex', pattern: '[a-' }, /./],
    ['no root', { type: 'ebnf', rules: 'start ::= "a"' }, /root/],
    ['no rules', { type: 'ebnf', rules: 'root := a' }, /Unexpected character/],
    ['a tag of no kind', { type: 'structural-tag', format: { type: 'rope' } }, /./],
    ['a reference to nothing', { type: 'json-schema', schema: { $ref: '#/nowhere' } }, /./],
    ['a schema of nothing but itself', { type: 'json-schema', schema: { $ref: '#' } }, /cannot be met/],
    ['rules of nothing but themselves', { type: 'ebnf', rules: 'root ::= a\na ::= root' }, /cannot be met/],
    ['too long', { type: 'regex', pattern: 'a'.repeat(300_000) }, /262144 characters/],
  ])('%s: refused with the reason', async (_, grammar, message) => {
    expect(await codeOf(grammar)).toEqual(['bad-request', expect.stringMatching(message)]);
  });

  test('after all these the others still work, side by side with broken ones', async () => {
    const sound = { grammar: { type: 'json-schema', schema }, seed: 2 } as const;
    const broken = Array.from({ length: 6 }, () => codeOf({ type: 'regex', pattern: '(((' }));
    const [[answer]] = await Promise.all([answers(sound), ...broken]);
    expectSailor(answer!.text);
  });

  test('one that breaks the thread fails alone: answers under way go on in a new one, as if nothing had been', async () => {
    const sound = { grammar: { type: 'json-schema', schema }, seed: 2 } as const;
    const [alone] = await answers(sound);
    let deep: object = { type: 'string' };
    for (let i = 0; i < 3000; i++) deep = { type: 'array', items: deep };
    const hostile: Grammar[] = [
      { type: 'json-schema', schema: deep },
      { type: 'ebnf', rules: `root ::= ${'('.repeat(50_000)}"a"${')'.repeat(50_000)}` },
    ];
    for (const grammar of hostile) {
      const under = answers(sound);
      await expect.poll(() => engine.stats().running, { timeout: 30_000, interval: 1 }).toBeGreaterThan(0);
      expect(await codeOf(grammar)).toEqual(['bad-request', expect.stringMatching(/too large or nested/)]);
      expect((await under)[0]).toEqual(alone);
    }
    expect((await answers(sound))[0]).toEqual(alone);
  });

  test('those nobody waits for any more are not compiled, so that they hold up nobody', async () => {
    const heavy = (i: number): Grammar => ({ type: 'regex', pattern: `${i}${'(x|y|z){1000}'.repeat(4)}` });
    const timed = async (work: Promise<unknown>) => {
      const start = performance.now();
      await work;
      return performance.now() - start;
    };
    const one = await timed(answers({ grammar: heavy(0), maxTokens: 1 }));
    const controller = new AbortController();
    const { signal } = controller;
    const prompt = engine.tokenizer.encode('The');
    const cancelled = Array.from({ length: 10 }, async (_, i) => {
      for await (const _event of engine.generate(
        { prompt, grammar: heavy(i + 1), maxTokens: 1 },
        { signal },
      ));
    });
    setTimeout(() => controller.abort(), one / 2);
    await Promise.allSettled(cancelled);
    expect(await timed(answers({ grammar: { type: 'regex', pattern: 'yes|no' } }))).toBeLessThan(5 * one);
  });

  test('one that is cancelled while it compiles leaves nothing', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const prompt = engine.tokenizer.encode('The');
    const items = Array.from({ length: 200 }, (_, i) => ({ const: `value ${i}` }));
    const grammar = { type: 'json-schema', schema: { type: 'array', items: { anyOf: items } } } as const;
    const running = (async () => {
      for await (const _ of engine.generate({ prompt, grammar, maxTokens: 5 }, { signal }));
    })();
    controller.abort();
    await expect(running).rejects.toMatchObject({ code: 'cancelled' });
    await expect
      .poll(() => engine.stats(), { timeout: 30_000 })
      .toMatchObject({ running: 0, waiting: 0, kvBlocksUsed: 0 });
  });
});

test('classes beyond ASCII are spelled out, all else stays', () => {
  expect(spellClasses('root ::= "[ä]" [a-z\\-] [^ä] [ \\n\\t]*')).toBe(
    'root ::= "[ä]" [a-z\\-] [^ä] [ \\n\\t]*',
  );
  expect(spellClasses('[\\xe4a-c\\]]*')).toBe(
    '([\\U0000005d-\\U0000005d\\U00000061-\\U00000063] | "\\U000000e4")*',
  );
  expect(spellClasses('[\\x7e-\\u0081-]')).toBe(
    '([\\U0000002d-\\U0000002d\\U0000007e-\\U0000007f] | "\\U00000080" | "\\U00000081")',
  );
  expect(() => spellClasses('[\\u4e00-\\u9fa5]')).toThrow(/4096 characters/);
  // What a dot and `[\s\S]` become, and all but a line break.
  expect(spellClasses('[\\0-\\U0010ffff]')).toBe('([^a] | "a")');
  expect(spellClasses('[\\f\\n\\r\\t\\v \\xa0\\0-\\b\\x0e-\\x1f!-\\x9f\\xa1-\\U0010ffff]')).toBe(
    '([^a] | "a")',
  );
  expect(spellClasses('[\\0-\\t\\x0b-\\U0010ffff]')).toBe('[^\\U0000000a-\\U0000000a]');
});

test('classes of a JSON Schema leave out what ends or escapes a string', () => {
  const inJson = true;
  const forbidden = '\\U00000000-\\U0000001f\\U00000022-\\U00000022\\U0000005c-\\U0000005c';
  expect(spellClasses('a ::= [a-z]', { inJson })).toBe('a ::= [a-z]');
  expect(spellClasses('a ::= [^x]', { inJson })).toBe(`a ::= [^x${forbidden}]`);
  expect(spellClasses('a ::= [\\0-\\U0010ffff]', { inJson })).toBe(`a ::= [^${forbidden}]`);
  expect(spellClasses('a ::= [ -%]', { inJson })).toBe(
    'a ::= [\\U00000020-\\U00000021\\U00000023-\\U00000025]',
  );
  expect(spellClasses('basic_escape ::= ["\\\\/b]', { inJson })).toBe('basic_escape ::= ["\\\\/b]');
});

test('strings with a pattern and a format keep the one that can be followed and says more', () => {
  const uuid = { type: 'string', format: 'uuid', pattern: '^[0-9a-f]{8}$' };
  const email = { type: 'string', format: 'email', pattern: '^(?!\\.)x$' };
  const schema = {
    properties: { uuid, email, pattern: { type: 'string', format: 'date' } },
    const: { pattern: 'a', format: 'b' },
  };
  expect(withOneRulePerString(schema)).toEqual({
    properties: {
      uuid: { type: 'string', pattern: '^[0-9a-f]{8}$' },
      email: { type: 'string', format: 'email' },
      pattern: { type: 'string', format: 'date' },
    },
    const: { pattern: 'a', format: 'b' },
  });
});

test('a step waits once, not once per answer, while a heavy grammar is compiled', async () => {
  const { vocabSize, eosId } = engine.tokenizer;
  using thread = new GrammarThread({ modelPath, vocabSize, eosTokenIds: [eosId!] });
  const grammar: Grammar = { type: 'regex', pattern: '[a-z ]{3000}' };
  const held = Array.from({ length: 30 }, (_, id) => ({ request: { id, grammar }, index: 0, generated: 0 }));
  const masks = () => held.map((sequence) => thread.mask(sequence as unknown as Sequence));
  for (const { request } of held) await thread.open({ ...request, n: 1 });
  thread.startStep();
  const [mask] = masks();
  const bit = mask!.findIndex((word) => word !== 0);
  const allowed = 32 * bit + (31 - Math.clz32(mask![bit]! & -mask![bit]!));
  // Ended with the thread.
  const heavy: Grammar = { type: 'regex', pattern: '(x|y|z){1000}'.repeat(50) };
  thread.open({ id: 99, n: 1, grammar: heavy }).catch(() => {});
  for (const sequence of held) {
    thread.accept(sequence as unknown as Sequence, allowed);
    sequence.generated = 1;
  }
  const start = performance.now();
  for (let step = 0; step < 20; step++) {
    thread.startStep();
    expect(masks()).toEqual(held.map(() => undefined));
  }
  // 20 ms and then 2 a step; a wait for every answer would be 1700.
  expect(performance.now() - start).toBeLessThan(800);
});

test('a mask is seen by whoever waits for it, and not taken for an older one', () => {
  const mask = SharedMask.create(40);
  const other = new SharedMask(mask.buffer);
  expect(other.after(0, 1)).toBeUndefined();
  mask.publish(0, Int32Array.of(-1, 5));
  expect(other.after(0, 0)).toEqual(Int32Array.of(-1, 5));
  expect(other.after(1, 1)).toBeUndefined();
  mask.reset();
  expect(other.after(0, 1)).toBeUndefined();
});
