import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { bytesPerDtype } from '../../src/checkpoint/safetensors-header.ts';
import { openSafetensors, readTensor } from '../../src/checkpoint/safetensors-reader.ts';
import { expectError, folder, safetensors } from './files.ts';

const open = (bytes: Uint8Array) =>
  openSafetensors(join(folder({ 'x.safetensors': bytes }), 'x.safetensors'));
const f32 = (shape: unknown, ...offsets: unknown[]) => ({ dtype: 'F32', shape, data_offsets: offsets });

function expectBad(bytes: Uint8Array, ...parts: string[]): void {
  expectError(() => open(bytes), 'bad-safetensors', 'x.safetensors', ...parts);
}

describe('a sound file', () => {
  test('lists its tensors with offsets from the start of the file, and reads them', () => {
    const data = Buffer.from([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const file = open(
      safetensors(
        {
          __metadata__: { format: 'pt' },
          last: { dtype: 'I8', shape: [1], data_offsets: [8, 9] },
          first: f32([2, 1], 0, 8),
        },
        data,
      ),
    );
    expect([...file.tensors.keys()]).toEqual(['first', 'last']);
    expect(file.metadata).toEqual({ format: 'pt' });
    const first = file.tensors.get('first')!;
    expect(first).toMatchObject({ dtype: 'F32', shape: [2, 1], file: file.path, end: file.byteLength - 1 });
    expect([...readTensor(first)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect([...readTensor(file.tensors.get('last')!)]).toEqual([9]);
  });

  test('may hold every dtype, scalars, and tensors without elements', () => {
    let offset = 0;
    const header = Object.fromEntries(
      Object.entries(bytesPerDtype).flatMap(([dtype, bytes]) => {
        const begin = offset;
        offset += bytes;
        return [
          [dtype, { dtype, shape: [], data_offsets: [begin, offset] }],
          [`${dtype} empty`, { dtype, shape: [3, 0], data_offsets: [offset, offset] }],
        ];
      }),
    );
    const { tensors } = open(safetensors(header, offset));
    expect(tensors.size).toBe(30);
    for (const [dtype, bytes] of Object.entries(bytesPerDtype)) {
      expect(readTensor(tensors.get(dtype)!).byteLength).toBe(bytes);
      expect(readTensor(tensors.get(`${dtype} empty`)!).byteLength).toBe(0);
    }
  });

  test('may pad its header with spaces and use any name, even __proto__', () => {
    const { tensors } = open(
      safetensors('{"__proto__":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}   ', 2),
    );
    expect([...tensors.keys()]).toEqual(['__proto__']);
  });
});

describe('a damaged file gives one error that names it', () => {
  test('when it is too short for a header', () => expectBad(Buffer.from('abc'), '3 bytes'));

  test('when its header claims 2^60 bytes', () => {
    const bytes = Buffer.alloc(64);
    bytes.writeBigUInt64LE(2n ** 60n);
    expectBad(bytes, 'header of 1152921504606846976 bytes');
  });

  test('when its header is longer than the file', () => {
    const bytes = Buffer.alloc(64);
    bytes.writeBigUInt64LE(57n);
    expectBad(bytes, 'header of 57 bytes', 'the file has 64', 'truncated');
  });

  test('when its header is no JSON, no object, or no UTF-8', () => {
    expectBad(safetensors('{"a":'), 'not JSON');
    expectBad(safetensors('[1]'), 'not a JSON object');
    expectBad(safetensors('null'), 'not a JSON object');
    expectBad(
      Buffer.concat([Buffer.from([3, 0, 0, 0, 0, 0, 0, 0]), Buffer.from([0x22, 0xff, 0x22])]),
      'not JSON',
    );
    expectBad(safetensors('['.repeat(200_000)), 'not JSON');
  });

  test('when it is truncated, with the tensor that is cut', () => {
    const whole = safetensors({ a: f32([1], 0, 4), b: f32([4], 4, 20) }, 20);
    expectBad(whole.subarray(0, -1), 'tensor "b"', 'truncated');
  });

  test('when tensors overlap, with both', () => {
    expectBad(safetensors({ a: f32([2], 0, 8), b: f32([2], 4, 12) }, 12), 'tensor "b" overlaps tensor "a"');
  });

  test('when bytes between tensors or behind them belong to none', () => {
    expectBad(safetensors({ a: f32([1], 0, 4), b: f32([1], 8, 12) }, 12), '4 bytes', '"a"', '"b"');
    expectBad(safetensors({ a: f32([1], 4, 8) }, 8), '4 bytes', 'the header', '"a"');
    expectBad(safetensors({ a: f32([1], 0, 4) }, 5), '1 bytes after tensor "a"');
    expectBad(safetensors({}, 5), '5 bytes after the header');
  });

  test('when offsets lie beyond the file', () => {
    expectBad(safetensors({ a: f32([1], 2 ** 50, 2 ** 50 + 4) }, 8), '"a"', 'the file has');
  });

  test('when bytes disagree with dtype and shape', () => {
    expectBad(safetensors({ a: f32([3], 0, 8) }, 8), '"a"', 'F32', '[3]', 'needs 12 bytes', 'span 8');
  });

  test('when a shape is negative, fractional, no list, or overflows', () => {
    for (const shape of [[-1], [1.5], ['1'], 3, null, [1e300], { length: 1 }]) {
      expectBad(safetensors({ a: f32(shape, 0, 4) }, 4), '"a"', 'shape');
    }
    expectBad(safetensors({ a: f32([2 ** 40, 2 ** 40], 0, 4) }, 4), '"a"', 'overflows');
  });

  test('when offsets are no pair of counts in order', () => {
    for (const offsets of [[0], [0, 4, 8], [-4, 0], [0.5, 4.5], ['0', '4'], [0, 1e20]]) {
      expectBad(safetensors({ a: f32([1], ...offsets) }, 4), '"a"', 'data_offsets');
    }
    expectBad(safetensors({ a: f32([1], 4, 0) }, 4), '"a"', 'ends at byte 0');
  });

  test('when a dtype is unknown, an entry is no object, or metadata holds other than strings', () => {
    const entry = { shape: [1], data_offsets: [0, 4] };
    for (const dtype of ['F33', 'toString', '', 7, null, undefined, { toString: 1 }, [[]]]) {
      expectBad(safetensors({ a: { ...entry, dtype } }, 4), '"a"', 'unknown dtype');
    }
    expectBad(safetensors({ a: 3 }), '"a"', 'not an object');
    expectBad(safetensors({ __metadata__: { a: 1 } }), '__metadata__', '"a"');
  });

  test('when it declares a tensor twice', () => {
    const entry = '{"dtype":"U8","shape":[1],"data_offsets":[0,1]}';
    expectBad(safetensors(`{"a\\"b":${entry},"a\\u0022b":${entry}}`, 1), 'declared twice');
  });
});

test('what is not a readable file is an io error, and a pipe is not waited for', () => {
  const dir = folder();
  const pipe = join(dir, 'pipe.safetensors');
  mkdirSync(join(dir, 'folder.safetensors'));
  execFileSync('mkfifo', [pipe]);
  expectError(() => openSafetensors(join(dir, 'none.safetensors')), 'io', 'none.safetensors');
  expectError(() => openSafetensors(join(dir, 'folder.safetensors')), 'io', 'not a file');
  expectError(() => openSafetensors(pipe), 'io', 'not a file');
});
