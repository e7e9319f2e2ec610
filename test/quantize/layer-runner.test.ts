// A pass goes on where the one before it has stopped: the same numbers as from the beginning, without computing them again.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { CpuBackend } from '../../src/backend/cpu/cpu-backend.ts';
import { nativeAddon } from '../../src/backend/cpu/native.ts';
import { openCheckpoint } from '../../src/checkpoint/open-checkpoint.ts';
import type { LinearInput } from '../../src/model/model-source.ts';
import { plainSource } from '../../src/model/plain-source.ts';
import { calibrationWindows } from '../../src/quantize/calibration-text.ts';
import { LayerRunner } from '../../src/quantize/layer-runner.ts';
import { loadTokenizer } from '../../src/tokenizer/load-tokenizer.ts';

const backend = new CpuBackend();
const path = resolve(import.meta.dirname, '../../models/tiny-classics');
const checkpoint = openCheckpoint(path);
const text = readFileSync(join(path, 'calibration.txt'), 'utf8').slice(0, 40_000);
// More rows than a step takes.
const samples = calibrationWindows(loadTokenizer(path).encode(text), { samples: 5, sequenceLength: 600 });

function withRunner<Result>(
  body: (
    run: (options: {
      half: 'attention' | 'mlp';
      stopAt?: LinearInput;
      from?: 'output' | 'down';
      advance: boolean;
    }) => LinearInput[],
    hidden: () => Buffer,
  ) => Result,
): Result {
  using source = plainSource(checkpoint, { backend, compute: 'f32' });
  using runner = new LayerRunner({ backend, config: source.config, embedding: source.embedding, samples });
  const layer = source.layer(0);
  return body(
    (options) => {
      const seen = new Set<LinearInput>();
      runner.run({
        source: layer,
        index: 0,
        kvFormat: { keyBits: 32, valueBits: 32 },
        observe: (input) => seen.add(input),
        ...options,
      });
      return [...seen];
    },
    () => Buffer.from(runner.hidden.bytes()),
  );
}

test.each([
  ['attention', 'output', ['qkv', 'output']],
  ['mlp', 'down', ['gateUp', 'down']],
] as const)('%s goes on at %s', (half, from, inputs) => {
  const before = nativeAddon().liveBytes();
  const { start, whole } = withRunner((run, hidden) => {
    const embedded = hidden();
    expect(run({ half, advance: true })).toEqual(inputs);
    return { start: embedded, whole: hidden() };
  });
  withRunner((run, hidden) => {
    expect(run({ half, stopAt: from, advance: false })).toEqual(inputs);
    expect(hidden().equals(start)).toBe(true);
    expect(run({ half, from, advance: true })).toEqual([]);
    expect(hidden().equals(whole)).toBe(true);
  });
  expect(whole.equals(start)).toBe(false);
  // What was kept is freed: (3000, 256) floats and more.
  expect(nativeAddon().liveBytes() - before).toBeLessThan(2 ** 20);
});

test('where the pass before has stopped elsewhere, or not at all, a pass begins at the beginning', () => {
  const whole = withRunner((run, hidden) => {
    run({ half: 'mlp', advance: true });
    return hidden();
  });
  withRunner((run, hidden) => {
    run({ half: 'mlp', stopAt: 'gateUp', advance: false });
    expect(run({ half: 'mlp', from: 'down', advance: true })).toEqual(['gateUp', 'down']);
    expect(hidden().equals(whole)).toBe(true);
    // What was kept once is not kept for ever.
    run({ half: 'mlp', stopAt: 'down', advance: false });
    expect(run({ half: 'mlp', from: 'down', advance: false })).toEqual([]);
    expect(run({ half: 'mlp', from: 'down', advance: false })).toEqual(['gateUp', 'down']);
  });
});
