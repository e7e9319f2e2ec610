// `atom bench http` in short: whether it measures what it says, not how fast this machine is.
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import type { HttpReport } from '../../src/bench/http.ts';
import { runAtom } from './run-atom.ts';

const model = resolve(import.meta.dirname, '../../models/tiny-classics');

test('every stream comes whole through both, and both are timed', async () => {
  const sizes = ['--streams', '6', '--tokens', '24', '--rounds', '2', '--threads', '1'];
  const { status, stdout, stderr } = await runAtom(['bench', 'http', model, ...sizes, '--json']);
  expect([status, stderr]).toEqual([0, '']);
  const report = JSON.parse(stdout) as HttpReport;
  expect(report).toMatchObject({ model, scheme: 'W16A16', threads: 1, streams: 6, tokens: 24 });
  expect(report.rounds).toHaveLength(2);
  for (const { engine, http, cost, httpCpu, engineCpu, loopDelay } of report.rounds) {
    expect(cost).toBeCloseTo(1 - http / engine, 10);
    expect(Math.min(engine, http, engineCpu, httpCpu, loopDelay.p50)).toBeGreaterThan(0);
    expect(loopDelay.max).toBeGreaterThanOrEqual(loopDelay.p99);
  }
  expect(report.loopDelayP99).toBe(Math.max(...report.rounds.map(({ loopDelay }) => loopDelay.p99)));
});
