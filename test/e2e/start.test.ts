// `npm start` as its first users meet it, on an installed tree: the bundled model quantized once, served, killed at bad
// moments, started again. Signals go to the whole group of processes, as a terminal sends them.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { availableIsas } from '../../src/backend/cpu/native.ts';
import { killGroups, type ProcessGroup, startGroup } from './process-group.ts';
import { runAtom } from './run-atom.ts';

const root = resolve(import.meta.dirname, '../..');
const cache = mkdtempSync(join(tmpdir(), 'atom-start-'));
const patience = { timeout: 300_000 };

afterAll(() => {
  killGroups();
  rmSync(cache, { recursive: true });
});

interface Started extends ProcessGroup {
  /** Resolves once `npm start` has said how to try it. */
  serving(): Promise<string>;
}

const start = (...args: string[]) => startIn(root, ...args);

function startIn(cwd: string, ...args: string[]): Started {
  const group = startGroup('npm', ['start', '--', '--port', '0', '--threads', '1', ...args], {
    cwd,
    env: { ...process.env, XDG_CACHE_HOME: cache },
  });
  return {
    ...group,
    async serving() {
      const address = () => /try: curl -N (http:\/\/[^/]+)/.exec(group.output())?.[1];
      await expect.poll(() => address() !== undefined || group.hasEnded(), patience).toBe(true);
      const url = address();
      if (url === undefined) throw new Error(`npm start ended: ${group.output()}`);
      return url;
    },
  };
}

/** Text of a streamed answer as it comes. */
async function* streamed(url: string, maxTokens: number): AsyncGenerator<string> {
  const response = await fetch(`${url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      prompt: 'The captain',
      max_tokens: maxTokens,
      seed: 1,
      stream: true,
      ignore_eos: true,
    }),
  });
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream()))
    for (const [, json] of chunk.matchAll(/^data: (\{.*\})$/gm))
      yield (JSON.parse(json!) as { choices: { text: string }[] }).choices[0]!.text;
}

async function readAll(pieces: AsyncIterable<string>): Promise<string> {
  let text = '';
  for await (const piece of pieces) text += piece;
  return text;
}

const answer = (url: string) => readAll(streamed(url, 20));

const quantizedFolders = () => {
  const folder = join(cache, 'atom-llm/quantized');
  return readdirSync(folder).map((name) => join(folder, name));
};

test('it is quantized once, whatever kills it, and served in 4 bits; Ctrl-C ends it with code 0', async () => {
  const first = start();
  await expect.poll(first.output, patience).toContain('layer 2 of 6:');
  await first.end('SIGKILL');
  const [folder] = quantizedFolders();
  expect(existsSync(join(folder!, 'model.safetensors.index.json'))).toBe(false);

  const second = start();
  const url = await second.serving();
  expect(second.output()).toContain('layer 2 of 6: finished earlier');
  expect(second.output()).toMatch(/layer 6 of 6: \d/);
  expect(second.output()).toMatch(/serving \S+ \(llama, W4A4 KV4\) at /);
  expect(quantizedFolders()).toEqual([folder]);
  const models = (await (await fetch(`${url}/v1/models`)).json()) as { data: { id: string }[] };
  expect(models.data[0]!.id).toBe('tiny-classics');
  const text = await answer(url);
  expect(text.length).toBeGreaterThan(20);
  // What runs when Ctrl-C comes is finished; an error frame would throw here.
  const running = streamed(url, 300);
  await running.next();
  const ended = second.end('SIGINT');
  expect((await readAll(running)).length).toBeGreaterThan(300);
  expect(await ended).toBe(0);

  const third = start();
  const pieces = streamed(await third.serving(), 900);
  expect((await pieces.next()).value).toBeTypeOf('string');
  await third.end('SIGKILL');
  await expect(readAll(pieces)).rejects.toThrow();

  const began = performance.now();
  const fourth = start();
  expect(await answer(await fourth.serving())).toBe(text);
  expect(performance.now() - began).toBeLessThan(15_000);
  expect(fourth.output()).not.toContain('quantizing');
  expect(await fourth.end('SIGINT')).toBe(0);
}, 300_000);

test('two that start at once quantize once', async () => {
  const both = [start('--preset', 'rtn-w4a16'), start('--preset', 'rtn-w4a16')];
  const texts = await Promise.all(both.map(async (each) => answer(await each.serving())));
  expect(texts[0]).toBe(texts[1]);
  expect(both.filter((each) => each.output().includes('quantizing ')).length).toBe(1);
  for (const each of both) expect(await each.end('SIGINT')).toBe(0);
  expect(quantizedFolders().filter((name) => name.includes('.lock'))).toEqual([]);
}, 300_000);

test('another model is served as it is; a command line that is wrong says so', async () => {
  const plain = start(join(root, 'models/tiny-classics'), '--served-model-name', 'mine');
  const url = await plain.serving();
  expect(plain.output()).toContain('(llama, W16A16)');
  const models = (await (await fetch(`${url}/v1/models`)).json()) as { data: { id: string }[] };
  expect(models.data[0]!.id).toBe('mine');
  expect(await plain.end('SIGINT')).toBe(0);
  const wrong = start('--no-such-option');
  await expect(wrong.serving()).rejects.toThrow(/unknown option '--no-such-option'/);
});

// What `npm test` compiled from the same sources is there, so that only the rest takes its time: to choose, and to link.
test('a clone with no add-on builds it for this machine alone, and says so to who asks for others', async () => {
  const clone = mkdtempSync(join(cache, 'clone-'));
  const tracked = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' }).split('\0');
  for (const file of [...tracked, 'build/Release/obj.target', 'build/Release/.deps'])
    if (file && existsSync(join(root, file)))
      cpSync(join(root, file), join(clone, file), { recursive: true, preserveTimestamps: true });
  symlinkSync(join(root, 'node_modules'), join(clone, 'node_modules'));
  const first = startIn(clone, join(clone, 'models/tiny-classics'));
  const url = await first.serving();
  const built = /compiling the native kernels \((.*)\)/.exec(first.output())![1]!.split(', ');
  expect(built.at(-1)).toBe(availableIsas().at(-1));
  if (process.platform === 'linux') expect(built).toHaveLength(1);
  expect(first.output()).toContain(`cpu (${built.at(-1)})`);
  expect((await answer(url)).length).toBeGreaterThan(20);
  const page = await (await fetch(url, { headers: { accept: 'text/html' } })).text();
  expect(page).toContain(readFileSync(join(clone, 'web/dist/index.html'), 'utf8').slice(0, 200));
  expect(await first.end('SIGINT')).toBe(0);
  for (const isa of availableIsas().filter((name) => !built.includes(name))) {
    const command = [join(clone, 'bin/atom.js'), 'generate', 'models/tiny-classics', '--prompt', 'x'];
    const env = { ...process.env, ATOM_ISA: isa };
    const { status, stderr } = spawnSync(process.execPath, command, { cwd: clone, env, encoding: 'utf8' });
    expect(stderr).toMatch(
      new RegExp(`'${isa}' was asked for.*compiled for ${built.join(', ')} alone.*npm run setup`),
    );
    expect(status).toBe(2);
  }
  // What there is, is not made again.
  const second = startIn(clone, join(clone, 'models/tiny-classics'));
  await second.serving();
  expect(second.output()).not.toMatch(/compiling|building|installing/);
  expect(await second.end('SIGINT')).toBe(0);
}, 600_000);

test('a cache that cannot be written is named, with what to do', async () => {
  const file = join(mkdtempSync(join(cache, 'no-folder-')), 'file');
  writeFileSync(file, '');
  const { status, stderr } = await runAtom(['serve', '--port', '0'], { env: { XDG_CACHE_HOME: file } });
  expect(status).toBe(1);
  expect(stderr).toMatch(/cannot make .*quantized.*ENOTDIR.*set XDG_CACHE_HOME/);
});
