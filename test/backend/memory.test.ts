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
