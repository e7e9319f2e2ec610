import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openTensors } from '../../src/checkpoint/tensor-store.ts';
import { expectError, folder, zeros } from './files.ts';

const INDEX = 'model.safetensors.index.json';
const f32 = { dtype: 'F32', shape: [2] } as const;
const index = (map: unknown) => JSON.stringify({ metadata: { total_size: 1 }, weight_map: map });

test('a single file and a sharded folder open alike', () => {
  const single = openTensors(folder({ 'model.safetensors': zeros({ a: f32, b: f32 }) }));
  const sharded = openTensors(
    folder({
      [INDEX]: index({ a: 'one.safetensors', b: 'two.safetensors' }),
      'one.safetensors': zeros({ a: f32 }),
      'two.safetensors': zeros({ b: f32 }),
    }),
  );
  for (const store of [single, sharded]) {
    expect([...store.tensors.keys()]).toEqual(['a', 'b']);
    expect(store.read('b')).toEqual(new Uint8Array(8));
    expectError(() => store.get('c'), 'missing-tensor', '"c"');
  }
});

test('a shard may be a symbolic link, as in a download cache', () => {
  const blobs = folder({ abc: zeros({ a: f32 }) });
  const dir = folder();
  symlinkSync(join(blobs, 'abc'), join(dir, 'model.safetensors'));
  expect(openTensors(dir).has('a')).toBe(true);
});

test('a missing shard is named together with the index', () => {
  const dir = folder({ [INDEX]: index({ a: 'gone.safetensors' }) });
  expectError(() => openTensors(dir), 'bad-safetensors', INDEX, 'gone.safetensors');
});

test('an index that names a tensor its shard lacks is refused', () => {
  const dir = folder({
    [INDEX]: index({ a: 'one.safetensors', c: 'one.safetensors' }),
    'one.safetensors': zeros({ a: f32 }),
  });
  expectError(() => openTensors(dir), 'bad-safetensors', INDEX, '"c"', 'one.safetensors');
});

test('a tensor in two shards is refused with both', () => {
  const dir = folder({
    [INDEX]: index({ a: 'one.safetensors', b: 'two.safetensors' }),
    'one.safetensors': zeros({ a: f32 }),
    'two.safetensors': zeros({ a: f32, b: f32 }),
  });
  expectError(() => openTensors(dir), 'bad-safetensors', '"a"', 'one.safetensors', 'two.safetensors');
});

test('an index may not reach outside its folder', () => {
  const tricks = [
    '../x.safetensors',
    '/etc/x.safetensors',
    'a/../../x.safetensors',
    '..\\x.safetensors',
    '..',
  ];
  for (const shard of [
    ...tricks,
    'c:x.safetensors',
    'x.bin',
    'x\0.safetensors',
    '',
    7,
    null,
    {},
    ['x.safetensors'],
  ]) {
    const dir = folder({ [INDEX]: index({ a: shard }) });
    expectError(() => openTensors(dir), 'bad-safetensors', INDEX, '"a"', 'plain name');
  }
});

test('an index that is no index is refused', () => {
  expectError(() => openTensors(folder({ [INDEX]: '{' })), 'bad-safetensors', INDEX, 'not JSON');
  expectError(() => openTensors(folder({ [INDEX]: '[]' })), 'bad-safetensors', INDEX, 'JSON object');
  for (const map of [undefined, null, [], 'x']) {
    expectError(() => openTensors(folder({ [INDEX]: index(map) })), 'bad-safetensors', INDEX, 'weight_map');
  }
  expectError(() => openTensors(folder({ [INDEX]: index({}) })), 'bad-safetensors', INDEX, 'no tensors');
});

test('a folder without weights says what was looked for', () => {
  expectError(() => openTensors(folder()), 'not-a-model', 'model.safetensors', INDEX);
});
