// `atom pull`, and a Hub id wherever a folder may be: the compiled command against a server that speaks the Hub's API.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { breakAfter, type HubServer, startHubServer } from '../hub/hub-server.ts';
import { runAtom } from './run-atom.ts';

const model = resolve(import.meta.dirname, '../../models/tiny-classics');
const id = 'someone/tiny-classics';
const commit = '1'.repeat(40);
const files = Object.fromEntries(readdirSync(model).map((name) => [name, readFileSync(join(model, name))]));
const scratch = mkdtempSync(join(tmpdir(), 'atom-pull-'));
afterAll(() => rmSync(scratch, { recursive: true }));

let places = 0;

/** A server with the demo model, and `atom` pointed at it from an empty folder. */
async function start(token?: string) {
  const server = await startHubServer({ [`models/${id}`]: { commit, files, ...(token && { token }) } });
  const cwd = join(scratch, String(places++));
  mkdirSync(cwd);
  const env = {
    HF_ENDPOINT: server.endpoint,
    HF_HUB_CACHE: join(cwd, 'cache'),
    HF_TOKEN: '',
    HF_HUB_OFFLINE: '',
  };
  return {
    server,
    cwd,
    atom: (args: string[], more: Record<string, string> = {}) =>
      runAtom(args, { env: { ...env, ...more }, cwd }),
    [Symbol.asyncDispose]: () => (server as HubServer)[Symbol.asyncDispose](),
  };
}

test('pull prints the folder, which serves as MODEL; so does the id, with and without the Hub', async () => {
  await using place = await start();
  const { atom, server } = place;
  server.mishaps.push(() => false, breakAfter(1_000_000));
  const pulled = await atom(['pull', id]);
  expect(pulled).toMatchObject({
    status: 0,
    stderr: expect.stringMatching(/tiny-classics at 1{40}: 5 files/),
  });
  const folder = pulled.stdout.trim();
  expect(readFileSync(join(folder, 'model.safetensors')).equals(files['model.safetensors']!)).toBe(true);
  const asked = server.contents().length;
  const generate = ['--prompt', 'It was', '--max-tokens', '8', '--temperature', '0', '--json'];
  const outputs = [
    await atom(['generate', folder, ...generate]),
    await atom(['generate', id, ...generate]),
    await atom(['generate', `hf:${id}@main`, ...generate], { HF_HUB_OFFLINE: '1' }),
  ];
  const texts = outputs.map(({ stdout }) => (JSON.parse(stdout) as { text: string }).text);
  expect(new Set(texts).size).toBe(1);
  expect(texts[0]!.length).toBeGreaterThan(5);
  expect(server.contents()).toHaveLength(asked);
  // Gone from the network, but here.
  const unreachable = await atom(['inspect', id, '--json'], { HF_ENDPOINT: 'http://127.0.0.1:9' });
  expect(unreachable).toMatchObject({
    status: 0,
    stderr: expect.stringContaining('using what was fetched before'),
  });
});

test('a command fetches a model that is not here', async () => {
  await using place = await start();
  const { status, stdout } = await place.atom(['inspect', id, '--json']);
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ parameters: 5_770_496 });
});

test('pull takes a token and a revision, and says as JSON what it did', async () => {
  await using place = await start('hf_secret');
  const refused = await place.atom(['pull', id]);
  expect(refused).toMatchObject({
    status: 1,
    stdout: '',
    stderr: expect.stringMatching(/^atom: .*status 401.*\n$/),
  });
  const cache = join(place.cwd, 'elsewhere');
  const args = ['pull', id, '--token', 'hf_secret', '--revision', commit, '--cache', cache, '--json'];
  const { status, stdout } = await place.atom(args);
  expect(status).toBe(0);
  const bytes = Object.entries(files)
    .filter(([name]) => /json|safetensors/.test(name))
    .reduce((sum, [, content]) => sum + content.length, 0);
  expect(JSON.parse(stdout)).toMatchObject({ id, commit, bytes, folder: expect.stringContaining(cache) });
});

test('what is neither folder nor id, and what looks like a misspelt folder, is not asked of the Hub', async () => {
  await using place = await start();
  mkdirSync(join(place.cwd, 'models'));
  for (const [name, message] of [
    ['./nothing', /neither a folder nor the id/],
    ['models/tiny', /no folder models\/tiny; .*write hf:models\/tiny/],
    ['nothing', /neither/],
  ] as const) {
    const { status, stderr } = await place.atom(['inspect', name]);
    expect([status, stderr]).toEqual([1, expect.stringMatching(message)]);
  }
  expect(place.server.requests).toEqual([]);
  expect(await place.atom(['pull', 'nothing'])).toMatchObject({ status: 2 });
  expect(await place.atom(['pull', 'someone/nothing'])).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('does not have the model someone/nothing'),
  });
});
