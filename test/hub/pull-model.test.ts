// Models fetched from a server that speaks the Hub's API: what is fetched, what is fetched again, what is refused.

import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { type HubOptions, openHub } from '../../src/hub/hub.ts';
import { cachedModel, pullModel } from '../../src/hub/pull-model.ts';
import { breakAfter, type HostedRepository, ignoreRange, spoil, startHubServer } from './hub-server.ts';

const scratch = mkdtempSync(join(tmpdir(), 'atom-hub-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const weights = Buffer.from(Array.from({ length: 50_000 }, (_, index) => (index * 7919) % 251));
const id = 'someone/little-model';
const repository: HostedRepository = {
  commit: 'a'.repeat(40),
  files: {
    'README.md': '# A model',
    'config.json': '{"model_type":"llama"}',
    'tokenizer.json': `{"model":"${'x'.repeat(2000)}"}`,
    'original/consolidated.pth': 'old',
    'model.safetensors': weights,
    'pytorch_model.bin': Buffer.alloc(5000),
  },
  revisions: {
    'pr/7': { commit: 'b'.repeat(40), files: { 'config.json': '{}', 'model.safetensors': 'small' } },
  },
};

let caches = 0;
const freshCache = () => join(scratch, `cache-${caches++}`);
const start = (hosted: Partial<HostedRepository> = {}) =>
  startHubServer({ [`models/${id}`]: { ...repository, ...hosted } });
const hubAt = ({ endpoint }: { endpoint: string }, options: HubOptions = {}) =>
  openHub({ endpoint, token: '', cache: freshCache(), offline: false, retryDelay: 1, ...options });

const blobOf = (cache: string, content: Buffer) =>
  join(cache, 'models--someone--little-model/blobs', createHash('sha256').update(content).digest('hex'));

describe('pullModel', () => {
  test("fetches configuration, tokenizer and weights, nothing else, in huggingface_hub's layout", async () => {
    await using server = await start();
    const hub = hubAt(server);
    const seen: [number, number, string][] = [];
    const pulled = await pullModel(hub, { id, onProgress: (...now) => seen.push(now) });
    const base = join(hub.cache, 'models--someone--little-model');
    expect(pulled.folder).toBe(join(base, 'snapshots', repository.commit));
    expect(readdirSync(pulled.folder).sort()).toEqual(['config.json', 'model.safetensors', 'tokenizer.json']);
    expect(readFileSync(join(pulled.folder, 'model.safetensors')).equals(weights)).toBe(true);
    expect(lstatSync(join(pulled.folder, 'model.safetensors')).isSymbolicLink()).toBe(true);
    expect(readFileSync(join(base, 'refs/main'), 'utf8')).toBe(repository.commit);
    expect(readdirSync(join(base, 'blobs'))).toHaveLength(3);
    expect(seen.at(-1)).toEqual([weights.length, weights.length, 'model.safetensors']);
    expect(seen.every(([done], index) => index === 0 || done >= seen[index - 1]![0])).toBe(true);
    expect(cachedModel(hub, { id })).toBe(pulled.folder);
  });

  test('what is here is not fetched again; what was spoilt in length is', async () => {
    await using server = await start();
    const hub = hubAt(server);
    const { folder } = await pullModel(hub, { id });
    const before = server.contents().length;
    await pullModel(hub, { id });
    expect(server.contents()).toHaveLength(before);
    writeFileSync(blobOf(hub.cache, weights), 'short');
    await pullModel(hub, { id });
    expect(readFileSync(join(folder, 'model.safetensors')).equals(weights)).toBe(true);
  });

  test('another revision, also with a slash, has a folder of its own', async () => {
    await using server = await start();
    const hub = hubAt(server);
    const { folder, commit } = await pullModel(hub, { id, revision: 'pr/7' });
    expect(commit).toBe('b'.repeat(40));
    expect(readFileSync(join(folder, 'model.safetensors'), 'utf8')).toBe('small');
    expect(cachedModel(hub, { id, revision: 'pr/7' })).toBe(folder);
    expect(cachedModel(hub, { id, revision: commit })).toBe(folder);
    expect(cachedModel(hub, { id })).toBeUndefined();
  });

  test('shards are those the index names', async () => {
    await using server = await start({
      files: {
        'config.json': '{}',
        'model.safetensors.index.json': JSON.stringify({
          weight_map: { a: 'model-1.safetensors', b: 'model-2.safetensors', c: 'model-1.safetensors' },
        }),
        'model-1.safetensors': Buffer.alloc(1500, 1),
        'model-2.safetensors': Buffer.alloc(900, 2),
        'model-3.safetensors': Buffer.alloc(900, 3),
      },
    });
    const { files } = await pullModel(hubAt(server), { id });
    expect(files).toEqual([
      'config.json',
      'model.safetensors.index.json',
      'model-1.safetensors',
      'model-2.safetensors',
    ]);
  });
});

describe('a download that breaks', () => {
  test('goes on by Range from where it stopped', async () => {
    await using server = await start();
    const hub = hubAt(server);
    server.mishaps.push(...[() => false, () => false, breakAfter(20_000)]);
    const { folder } = await pullModel(hub, { id });
    expect(readFileSync(join(folder, 'model.safetensors')).equals(weights)).toBe(true);
    const ranges = server.requests
      .filter(({ url }) => url.endsWith('model.safetensors'))
      .map(({ headers }) => headers.range);
    expect(ranges.filter(Boolean)).toEqual(['bytes=20000-', 'bytes=20000-']);
  });

  test('goes on in the next process', async () => {
    await using server = await start();
    const hub = hubAt(server);
    const partial = `${blobOf(hub.cache, weights)}.incomplete`;
    mkdirSync(join(partial, '..'), { recursive: true });
    writeFileSync(partial, weights.subarray(0, 12_345));
    await pullModel(hub, { id });
    expect(server.requests.at(-1)!.headers.range).toBe('bytes=12345-');
    expect(existsSync(partial)).toBe(false);
  });

  test('begins anew where ranges are not known, and where what was left is spoilt', async () => {
    for (const left of [weights.subarray(0, 100), Buffer.alloc(100, 9), Buffer.alloc(60_000, 9)]) {
      await using server = await start();
      const hub = hubAt(server);
      mkdirSync(join(blobOf(hub.cache, weights), '..'), { recursive: true });
      writeFileSync(`${blobOf(hub.cache, weights)}.incomplete`, left);
      if (left[99] !== 9)
        server.mishaps.push(
          () => false,
          () => false,
          ignoreRange,
        );
      const { folder } = await pullModel(hub, { id });
      expect(readFileSync(join(folder, 'model.safetensors')).equals(weights)).toBe(true);
    }
  });

  test('is given up after five attempts that bring nothing, and what came is kept', async () => {
    await using server = await start();
    const hub = hubAt(server);
    server.mishaps.push(
      () => false,
      () => false,
      breakAfter(1000),
      ...Array.from({ length: 9 }, () => breakAfter(0)),
    );
    await expect(pullModel(hub, { id })).rejects.toMatchObject({ code: 'download-failed' });
    expect(readFileSync(`${blobOf(hub.cache, weights)}.incomplete`).equals(weights.subarray(0, 1000))).toBe(
      true,
    );
    expect(server.mishaps).toHaveLength(4);
  });

  test('and content other than its checksum is not kept', async () => {
    await using server = await start();
    const hub = hubAt(server);
    server.mishaps.push(
      () => false,
      () => false,
      spoil,
    );
    await expect(pullModel(hub, { id })).rejects.toMatchObject({
      code: 'download-failed',
      message: expect.stringMatching(/model\.safetensors.*sha256/),
    });
    expect(readdirSync(join(hub.cache, 'models--someone--little-model/blobs'))).toHaveLength(2);
    await pullModel(hub, { id });
  });

  test('small files are checked by their Git object', async () => {
    await using server = await start();
    server.mishaps.push(spoil);
    await expect(pullModel(hubAt(server), { id })).rejects.toThrow(/config\.json.*git-sha1/);
  });

  test('an interrupt ends it', async () => {
    await using server = await start();
    const controller = new AbortController();
    const hub = hubAt(server, { signal: controller.signal });
    server.mishaps.push(
      () => false,
      () => false,
      (_, response, content) => {
        response.write(content.subarray(0, 5000));
        return true;
      },
    );
    const pulling = pullModel(hub, { id, onProgress: () => controller.abort() });
    await expect(pulling).rejects.toMatchObject({ code: 'cancelled' });
  });
});

describe('who asks', () => {
  test('shows the token to the Hub, and to no other server', async () => {
    await using server = await start({ token: 'hf_secret' });
    await pullModel(hubAt(server, { token: 'hf_secret' }), { id });
    for (const { origin, headers } of server.requests) {
      expect(headers.authorization).toBe(origin === 'hub' ? 'Bearer hf_secret' : undefined);
    }
    expect(server.requests.some(({ origin }) => origin === 'store')).toBe(true);
  });

  test.each([
    ['no token', '', 401],
    ['another token', 'hf_other', 403],
  ])('with %s is refused and told what to do', async (_, token, status) => {
    await using server = await start({ token: 'hf_secret' });
    await expect(pullModel(hubAt(server, { token }), { id })).rejects.toMatchObject({
      code: 'unauthorized',
      message: expect.stringMatching(new RegExp(`status ${status}.*HF_TOKEN or --token`)),
    });
  });
});

describe('what cannot be had', () => {
  test.each([
    ['a model', { id: 'someone/nothing' }, /does not have the model someone\/nothing$/],
    ['a revision', { id, revision: 'v9' }, /little-model at v9/],
  ])('%s that does not exist', async (_, options, message) => {
    await using server = await start();
    await expect(pullModel(hubAt(server), options)).rejects.toMatchObject({
      code: 'model-not-found',
      message: expect.stringMatching(message),
    });
  });

  test.each([
    ['an id that leads out of the cache', { id: '../x' }],
    ['an id without an owner', { id: 'x' }],
    ['a revision that leads out of the cache', { id, revision: '../../../x' }],
  ])('%s', async (_, options) => {
    await using server = await start();
    await expect(pullModel(hubAt(server), options)).rejects.toMatchObject({ code: 'bad-option' });
    expect(server.requests).toEqual([]);
  });

  test.each([
    ['no configuration', { 'model.safetensors': 'x' }, /no config\.json/],
    [
      'another format',
      { 'config.json': '{}', 'pytorch_model.bin': 'x' },
      /pytorch_model\.bin is of another format/,
    ],
    ['no weights', { 'config.json': '{}' }, /no model\.safetensors or/],
  ])('a repository with %s, before anything is fetched', async (_, files, message) => {
    await using server = await start({ files: files as Record<string, string> });
    await expect(pullModel(hubAt(server), { id })).rejects.toMatchObject({
      code: 'not-a-model',
      message: expect.stringMatching(message),
    });
    expect(server.contents()).toEqual([]);
  });

  test.each([
    [
      'names a file it lacks',
      '{"weight_map":{"a":"../../x.safetensors"}}',
      /names "\.\.\/\.\.\/x\.safetensors"/,
    ],
    ['is not JSON', '{', /is not JSON/],
    ['has no map', '[]', /no "weight_map"/],
  ])('an index that %s', async (_, index, message) => {
    await using server = await start({
      files: { 'config.json': '{}', 'model.safetensors.index.json': index },
    });
    await expect(pullModel(hubAt(server), { id })).rejects.toMatchObject({
      code: 'bad-safetensors',
      message: expect.stringMatching(message),
    });
  });

  test('a busy Hub is asked again, a broken one three times', async () => {
    await using server = await start();
    server.statuses.push(503, 429);
    await pullModel(hubAt(server), { id });
    server.statuses.push(500, 502, 504);
    await expect(pullModel(hubAt(server), { id })).rejects.toMatchObject({
      code: 'download-failed',
      message: expect.stringContaining('answered 504'),
    });
  });

  test('a Hub that is not there, an address that is none, and working offline', async () => {
    const nowhere = { endpoint: 'http://127.0.0.1:9' };
    await expect(pullModel(hubAt(nowhere), { id })).rejects.toMatchObject({
      code: 'download-failed',
      message: expect.stringContaining('cannot be reached'),
    });
    await expect(pullModel(hubAt(nowhere, { offline: true }), { id })).rejects.toThrow(/HF_HUB_OFFLINE/);
    expect(() => openHub({ endpoint: 'hub.example' })).toThrow(/not an http or https address/);
  });
});
