import { expect, test } from 'vitest';
import { CpuBackend } from '../../src/backend/cpu/cpu-backend.ts';
import { chooseIsa, nativeAddon } from '../../src/backend/cpu/native.ts';

const backend = new CpuBackend();

test('freeing a tensor returns its native memory and is safe to repeat', () => {
  const before = nativeAddon().liveBlocks();
  const tensor = backend.allocate('f32', [3, 5]);
  expect(tensor.address % 64).toBe(0);
  expect([...tensor.f32()]).toEqual(new Array(15).fill(0));
  expect(nativeAddon().liveBlocks()).toBe(before + 1);
  tensor[Symbol.dispose]();
  tensor[Symbol.dispose]();
  expect(nativeAddon().liveBlocks()).toBe(before);
});

test('memory is zeros whatever was in the block that it comes from', () => {
  const sizes = [1000, 1500, 4096, 5000, 300_000, 3_000_000, 17_000_000];
  for (const size of [...sizes, ...sizes, ...[...sizes].reverse()]) {
    const held = [1, 2, 3].map(() => backend.allocate('u8', [size]));
    const addresses = held.map(({ address }) => address).sort((a, b) => a - b);
    expect(addresses[1]! - addresses[0]!).toBeGreaterThanOrEqual(size);
    expect(addresses[2]! - addresses[1]!).toBeGreaterThanOrEqual(size);
    for (const tensor of held) {
      expect(tensor.bytes().every((byte) => byte === 0)).toBe(true);
      tensor.bytes().fill(0xa5);
    }
    for (const tensor of held) tensor[Symbol.dispose]();
  }
});

test('what is released and not given again does not pile up', () => {
  const resident = () => process.memoryUsage.rss();
  const before = resident();
  for (let size = 1; size < 120; size++) {
    const tensor = backend.allocate('u8', [size * 2 ** 17]);
    tensor.bytes().fill(1);
    tensor[Symbol.dispose]();
  }
  // 935 MB in all sizes, of which 64 MiB may stay.
  expect(resident() - before).toBeLessThan(160 * 2 ** 20);
});

test('a tensor used after it was freed throws use-after-free, and so do its views', () => {
  const tensor = backend.allocate('i32', [8]);
  const view = tensor.rows(2, 3);
  tensor[Symbol.dispose]();
  expect(() => tensor.i32()).toThrowError(expect.objectContaining({ code: 'use-after-free' }));
  expect(() => view.address).toThrowError(expect.objectContaining({ code: 'use-after-free' }));
});

test('a view that does not fit its tensor is refused', () => {
  using tensor = backend.allocate('f32', [4]);
  expect(() => tensor.view([5])).toThrowError(expect.objectContaining({ code: 'bad-shape' }));
});

test('an instruction set this machine lacks is refused with the ones it has', () => {
  expect(() => chooseIsa('vax')).toThrowError(/vax.*portable/s);
});
