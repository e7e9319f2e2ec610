// Damaged tokenizer files: a tokenizer that works or one AtomError, never another exception, never a hang.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AtomError } from '../../src/errors.ts';
import { loadTokenizer } from '../../src/tokenizer/load-tokenizer.ts';
import { type Files, folder, llama2Like, llama3Like, metaspaceLike } from './fixtures.ts';

type Path = readonly string[];

/** Paths of all values; of long tables of entries only the first few, lest nothing else be damaged. */
function* pathsOf(value: unknown, path: Path = []): Generator<Path> {
  yield path;
  if (typeof value !== 'object' || value === null) return;
  for (const [key, inner] of Object.entries(value).slice(0, 12)) yield* pathsOf(inner, [...path, key]);
}

const odd = fc.oneof(
  fc.constantFrom<unknown>(null, true, -1, 0.5, 7, 300, 2 ** 53, '', 'x', '(', [], {}, [[]], '__proto__'),
  fc.constantFrom<unknown>(
    'Sequence',
    'Split',
    'ByteLevel',
    'Metaspace',
    'Replace',
    'Strip',
    'BertProcessing',
  ),
  fc.jsonValue(),
);

const damage = (files: Files) =>
  fc.array(
    fc.record({
      path: fc.constantFrom(...pathsOf(files)),
      action: fc.constantFrom('replace', 'remove', 'add'),
      key: fc.constantFrom('x', 'type', 'content', '__proto__', '0', 'pattern'),
      value: odd,
    }),
    { minLength: 1, maxLength: 3 },
  );

function damaged(
  files: Files,
  changes: readonly { path: Path; action: string; key: string; value: unknown }[],
): Files {
  const root = structuredClone(files) as unknown;
  for (const { path, action, key, value } of changes) {
    let at = root as Record<string, unknown> | undefined;
    for (const step of path.slice(0, -1)) at = at?.[step] as Record<string, unknown> | undefined;
    const last = path.at(-1);
    const holder = action === 'add' && last !== undefined ? at?.[last] : at;
    if (typeof holder !== 'object' || holder === null || (last === undefined && action !== 'add')) continue;
    const name = action === 'add' ? key : last!;
    if (action === 'remove') Reflect.deleteProperty(holder, name);
    else Object.defineProperty(holder, name, { value, enumerable: true, configurable: true, writable: true });
  }
  return root as Files;
}

/** Loads and, where that works, uses the tokenizer; anything but an AtomError fails. */
function useFolder(dir: string): 'works' | 'refused' {
  try {
    const tokenizer = loadTokenizer(dir, { vocabSize: 10_000 });
    const ids = tokenizer.encode('It was 1889. <|eot_id|> Éclair 🦙\n  <s> x');
    tokenizer.decode(ids);
    const detokenizer = tokenizer.detokenizer({ skipSpecialTokens: false, cleanUpSpaces: true });
    for (let id = 0; id < Math.min(tokenizer.vocabSize, 700); id++) detokenizer.push(id);
    detokenizer.flush();
    tokenizer.encodeChat({ messages: [{ role: 'user', content: 'Hi' }], parseSpecialTokensInContent: false });
    return 'works';
  } catch (error) {
    if (error instanceof AtomError) return 'refused';
    throw error;
  }
}

const kinds: [string, () => Files][] = [
  ['Llama 3 like', llama3Like],
  ['Llama 2 like', llama2Like],
  ['with Metaspace', metaspaceLike],
];

test.each(kinds)('files %s with damaged values load or are refused', (_name, make) => {
  const files = make();
  files.config.chat_template = '{{ bos_token }}{{ messages[0].content }}';
  const dir = folder({});
  const outcomes = { works: 0, refused: 0 };
  fc.assert(
    fc.property(damage(files), (changes) => {
      const { tokenizer, config } = damaged(files, changes);
      writeFileSync(join(dir, 'tokenizer.json'), JSON.stringify(tokenizer) ?? 'null');
      writeFileSync(join(dir, 'tokenizer_config.json'), JSON.stringify(config) ?? 'null');
      outcomes[useFolder(dir)]++;
    }),
    { numRuns: 600 },
  );
  // Both must happen, or the test tests nothing.
  expect(outcomes.works).toBeGreaterThan(50);
  expect(outcomes.refused).toBeGreaterThan(50);
});

test.each(kinds)('files %s with damaged bytes load or are refused', (_name, make) => {
  const { tokenizer, config } = make();
  const original = Buffer.from(JSON.stringify(tokenizer));
  const dir = folder({ 'tokenizer_config.json': config });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(original.length - 1), fc.nat(255)), { maxLength: 3 }),
      fc.option(fc.nat(original.length)),
      (flips, length) => {
        const bytes = Buffer.from(original.subarray(0, length ?? original.length));
        for (const [at, byte] of flips) bytes[at] = byte;
        writeFileSync(join(dir, 'tokenizer.json'), bytes);
        useFolder(dir);
      },
    ),
    { numRuns: 500 },
  );
});

test('chat templates of random text render or are refused', () => {
  const { tokenizer, config } = llama3Like();
  const dir = folder({ 'tokenizer.json': tokenizer, 'tokenizer_config.json': config });
  const piece = fc.constantFrom(
    '{{',
    '}}',
    '{%',
    '%}',
    ' if ',
    ' for m in messages ',
    'endfor',
    'messages',
    '[0]',
    '.',
    "'",
    '|',
    '(',
    ')',
    'x',
    '1',
    '-',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      writeFileSync(join(dir, 'chat_template.jinja'), pieces.join(''));
      useFolder(dir);
    }),
    { numRuns: 300 },
  );
});
