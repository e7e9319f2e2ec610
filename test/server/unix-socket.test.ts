// A server on a Unix socket, as proxies on the same machine reach it.
import { once } from 'node:events';
import { existsSync, linkSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { run } from './running-server.ts';

describe('a Unix socket as the host', () => {
  const get = (socketPath: string) =>
    new Promise<number | undefined>((done, fail) =>
      request({ socketPath, path: '/ready' }, (response) => done(response.resume().statusCode))
        .on('error', fail)
        .end(),
    );
  const scratch = mkdtempSync(join(tmpdir(), 'atom-socket-'));
  afterAll(() => rmSync(scratch, { recursive: true }));
  const place = () => join(mkdtempSync(join(scratch, 'folder-')), 'socket');

  test('is served, and gone afterwards', async () => {
    const path = place();
    const running = await run({ options: { host: path } });
    await running.server.ready;
    expect(running.url).toBe(`unix:${path}`);
    expect(await get(path)).toBe(200);
    await expect(run({ options: { host: `unix:${path}` } })).rejects.toThrow(/another program listens there/);
    await running.server.close();
    expect(existsSync(path)).toBe(false);
  });

  test('that a killed server left behind is taken over', async () => {
    const path = place();
    const old = createServer().listen(`${path}.old`);
    await once(old, 'listening');
    linkSync(`${path}.old`, path);
    old.close();
    await using running = await run({ options: { host: path } });
    await running.server.ready;
    expect(await get(path)).toBe(200);
  });

  test('never takes the place of a file', async () => {
    const path = place();
    writeFileSync(path, 'precious');
    await expect(run({ options: { host: path } })).rejects.toMatchObject({ code: 'io' });
    expect(readFileSync(path, 'utf8')).toBe('precious');
  });
});
