// Options from flags, environment and file: their order, their errors, their suggestions.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { optionFacts } from '../../src/server/options.ts';
import { readServerOptions } from '../../src/server/read-options.ts';

const folder = mkdtempSync(join(tmpdir(), 'atom-options-'));
afterAll(() => rmSync(folder, { recursive: true }));

function fileWith(content: string): string {
  const path = join(folder, `${Math.random()}.json`);
  writeFileSync(path, content);
  return path;
}

test('flags go before the environment, that before the file, that before defaults', () => {
  const file = fileWith('{"port": 1, "host": "a", "maxQueue": 3, "corsOrigin": ["x", "y"]}');
  const environment = { ATOM_PORT: '2', ATOM_HOST: 'b', ATOM_LOG_PROMPTS: 'true', HOME: '/' };
  expect(readServerOptions({ flags: { port: '3' }, environment, file })).toMatchObject({
    port: 3,
    host: 'b',
    maxQueue: 3,
    corsOrigin: ['x', 'y'],
    logPrompts: true,
    requestTimeout: 1800,
    kvMemory: undefined,
  });
});

test('the environment may name the file', () => {
  const [named, other] = [fileWith('{"maxQueue": 3}'), fileWith('{"maxQueue": 4}')];
  expect(readServerOptions({ environment: { ATOM_CONFIG: named } }).maxQueue).toBe(3);
  expect(readServerOptions({ environment: { ATOM_CONFIG: named }, file: other }).maxQueue).toBe(4);
  expect(readServerOptions({ environment: { ATOM_CONFIG: '' } }).maxQueue).toBe(256);
});

test('sizes and lists are read as they are written', () => {
  const read = (environment: Record<string, string>) => readServerOptions({ environment });
  expect(read({ ATOM_KV_MEMORY: '1.5G' }).kvMemory).toBe(1.5 * 2 ** 30);
  expect(read({ ATOM_MAX_BODY: '512KiB' }).maxBody).toBe(512 * 1024);
  expect(read({ ATOM_API_KEY: 'a, b' }).apiKey).toEqual(['a', 'b']);
});

const wrong: [string, Parameters<typeof readServerOptions>[0], RegExp][] = [
  ['a bad flag', { flags: { port: '99999' } }, /^--port: .*"99999"/],
  ['a flag that is no number', { flags: { port: 'x' } }, /^--port: .*expected number, received string.*"x"/],
  ['no file that the environment names', { environment: { ATOM_CONFIG: '/no/such' } }, /no\/such cannot be/],
  ['a bad variable', { environment: { ATOM_MAX_QUEUE: '-1' } }, /^ATOM_MAX_QUEUE: .*"-1"/],
  ['a misspelt variable', { environment: { ATOM_PROT: '1' } }, /ATOM_PROT .*did you mean ATOM_PORT\?/],
  ['a bad value in the file', { file: fileWith('{"kvMemory": "much"}') }, /"kvMemory" in .*512M.*"much"/],
  ['a misspelt key in the file', { file: fileWith('{"maxQueu": 1}') }, /"maxQueu" .*did you mean maxQueue\?/],
  ['a file that is no JSON', { file: fileWith('port: 1') }, /cannot be read/],
  ['a file that is no object', { file: fileWith('[]') }, /JSON object/],
  ['no file', { file: join(folder, 'none') }, /cannot be read/],
];

test.each(wrong)('%s is an error that says where', (_name, sources, message) => {
  expect(() => readServerOptions(sources)).toThrow(
    expect.objectContaining({ code: 'bad-option', message: expect.stringMatching(message) }),
  );
});

test('every option has a flag, a variable and a description', () => {
  for (const { flag, variable, description, name } of optionFacts) {
    expect(flag).toMatch(/^--[a-z]+(-[a-z]+)*$/);
    expect(variable).toBe(`ATOM_${flag.slice(2).replaceAll('-', '_').toUpperCase()}`);
    expect([name, description.length > 10]).toEqual([name, true]);
  }
});
