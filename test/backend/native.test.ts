// Which instruction set is taken: of those compiled, of those that this machine can run.
import { expect, test } from 'vitest';
import { availableIsas, chooseIsa, nativeAddon } from '../../src/backend/cpu/native.ts';

const addon = (linked: string[], supported: string[]) => ({
  isas: Object.fromEntries(linked.filter((isa) => supported.includes(isa)).map((isa) => [isa, {}])),
  linkedIsas: linked,
  supportedIsas: supported,
});

test('the best that was compiled and can be run is taken, or the one that is forced', () => {
  const all = addon(['portable', 'avx2', 'avx512'], ['portable', 'avx2']);
  expect(chooseIsa(undefined, all)).toBe('avx2');
  expect(chooseIsa('', all)).toBe('avx2');
  expect(chooseIsa('portable', all)).toBe('portable');
});

test('a set that was not compiled is told from one that this machine lacks', () => {
  const best = addon(['avx512'], ['portable', 'avx2', 'avx512']);
  expect(chooseIsa(undefined, best)).toBe('avx512');
  expect(() => chooseIsa('avx2', best)).toThrow(
    expect.objectContaining({
      code: 'isa-not-built',
      message: expect.stringMatching(/'avx2'.*compiled for avx512 alone.*npm run setup/),
    }),
  );
  expect(() => chooseIsa('neon', best)).toThrow(
    expect.objectContaining({
      code: 'unsupported-isa',
      message: expect.stringMatching(/'neon'.*portable, avx2, avx512/),
    }),
  );
});

test('kernels of another machine are refused, with what to do', () => {
  expect(() => chooseIsa(undefined, addon(['amx'], ['portable', 'avx2']))).toThrow(
    expect.objectContaining({
      code: 'isa-not-built',
      message: expect.stringMatching(/^the native kernels were compiled for amx alone.*npm run setup/),
    }),
  );
});

test('the tests run on every set of this machine', () => {
  expect(availableIsas()).toEqual(nativeAddon().supportedIsas);
});
