// The soak in short; for as long as one likes with `node scripts/soak.js --seconds 600`.
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';

test('a server asked for twice what it holds loses no request and answers none twice', () => {
  const script = resolve(import.meta.dirname, '../../scripts/soak.js');
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [script, '--seconds', '12', '--threads', '1', '--json'],
    {
      encoding: 'utf8',
    },
  );
  const result = JSON.parse(stdout) as Record<string, number>;
  // Memory is judged over minutes, not while everything is still warming up.
  expect([result, stderr]).toMatchObject([
    { lost: 0, doubled: 0, differing: 0, atRest: 0, cacheUse: 0, exitCode: 0 },
    expect.not.stringContaining('Error'),
  ]);
  expect(result.whole).toBeGreaterThan(10);
  expect(result.refused).toBeGreaterThan(10);
  expect(result.left).toBeGreaterThan(0);
  expect(result.asked).toBe(result.whole! + result.refused! + result.left!);
});
