// `atom bench serve`, `compare` and `prefix` as they are run, in their quick form.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { runAtom } from './run-atom.ts';

const scratch = mkdtempSync(join(tmpdir(), 'atom-bench-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const bench = (...args: string[]) =>
  runAtom(['bench', ...args, '--threads', '1', '--layers', '1', '--quick'], {
    env: { XDG_CACHE_HOME: scratch },
  });

test('serve: both loops of every scheme, in one memory, as JSON', async () => {
  // The rate is given: a share of what a busy machine can do would let nobody arrive in so short a time.
  const { status, stdout, stderr } = await bench('serve', '--seconds', '0.5', '--rate', '50', '--json');
  expect(stderr).toBe('');
  expect(status).toBe(0);
  const report = JSON.parse(stdout);
  expect(report.kind).toBe('bench');
  expect(report.serving).toHaveLength(5);
  const names = ['W16A16KV16', 'W8A8KV8', 'W4A16KV16', 'W4A8KV4', 'W4A4KV4'];
  for (const loop of [report.closed, report.open]) {
    expect(loop.map(({ scheme }: { scheme: string }) => scheme)).toEqual(names);
    for (const { tokensPerSecond } of loop) expect(tokensPerSecond).toBeGreaterThan(0);
  }
  const [plain, , , , small] = report.closed;
  expect(small.cacheTokens).toBeGreaterThan(plain.cacheTokens);
});

test('compare: a table for people, and a file with all figures', async () => {
  const path = join(scratch, 'compare');
  const { status, stdout, stderr } = await bench(
    'compare',
    '--schemes',
    'w16a16,w8a8,w4a4',
    '--report',
    path,
  );
  expect(stderr).toBe('');
  expect(status).toBe(0);
  expect(stdout).toMatch(/^W4A4KV4 +4 +\d/m);
  expect(stdout).toMatch(/7\.73x of W16A16KV16 by W4A4KV4: .*; as quickly: /);
  expect(stdout).toContain('tokens come as quickly as in 16 bits');
  const report = JSON.parse(readFileSync(`${path}.json`, 'utf8'));
  expect(report.serving).toHaveLength(6);
  expect(report.fixedMemory.bars.map(({ scheme }: { scheme: string }) => scheme)).toHaveLength(3);
  expect(report.fixedMemory.asQuick[0]).toMatchObject({ scheme: 'W16A16KV16' });
  for (const { points } of report.memorySweep.schemes)
    for (const { tokensPerSecond, tokenLatency } of points)
      expect(tokensPerSecond > 0).toBe(tokenLatency > 0);
  const page = readFileSync(`${path}.html`, 'utf8');
  expect(page.match(/<svg height/g)).toHaveLength(4);
  expect(page).toContain('bench compare');
  expect(report.comparison.passings.map(({ ratio }: { ratio: number }) => ratio)).toEqual([7.73, 2.53]);
});

test('prefix: a prompt that was seen before gives its first token much sooner', async () => {
  const { status, stdout, stderr } = await runAtom(
    ['bench', 'prefix', '--quick', '--rounds', '9', '--schemes', 'w16a16,w4a4', '--threads', '1', '--json'],
    { env: { XDG_CACHE_HOME: scratch } },
  );
  expect([status, stderr]).toEqual([0, '']);
  const { results } = JSON.parse(stdout);
  expect(results).toHaveLength(2);
  for (const { prompt, found, times } of results) {
    // All but the block with the last token, of what the context holds.
    expect([prompt, found]).toEqual([1023, 992]);
    expect(times).toBeGreaterThan(3);
  }
});

test('options that mean nothing are refused', async () => {
  const scheme = await bench('compare', '--schemes', 'w3a3');
  expect([scheme.status, scheme.stderr]).toEqual([2, expect.stringContaining("no scheme 'w3a3'")]);
  const memory = await bench('serve', '--memory', '1k');
  expect(memory.stdout).toContain('does not fit');
});
