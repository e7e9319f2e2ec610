import { existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bytesPerDtype, type SafetensorsDtype } from '../../src/checkpoint/safetensors-header.ts';
import { openSafetensors, readTensor } from '../../src/checkpoint/safetensors-reader.ts';
import { SafetensorsWriter, type TensorSpec } from '../../src/checkpoint/safetensors-writer.ts';
import { planShards, ShardWriter } from '../../src/checkpoint/shard-writer.ts';
import { openTensors } from '../../src/checkpoint/tensor-store.ts';
import { expectError, folder } from './files.ts';

const INDEX = 'model.safetensors.index.json';
const spec = (name: string, size: number, dtype: SafetensorsDtype = 'U8'): TensorSpec => ({
  name,
  dtype,
  shape: [size],
});

/** Recognisable bytes for a tensor. */
function bytesOf({ name, dtype, shape }: TensorSpec): Uint8Array {
  const size = shape.reduce((product, extent) => product * extent, bytesPerDtype[dtype]);
  return Uint8Array.from({ length: size }, (_, i) => name.charCodeAt(0) + i);
}

describe('one file', () => {
  test('reads back as it was written, whatever the tensors and the order of their pieces', () => {
    const dir = folder();
    const tensors = fc.uniqueArray(
      fc.record({
        name: fc.string().filter((name) => name !== '__metadata__'),
        dtype: fc.constantFrom(...(Object.keys(bytesPerDtype) as SafetensorsDtype[])),
        shape: fc.array(fc.nat(5), { maxLength: 3 }),
      }),
      { selector: ({ name }) => name },
    );
    const property = fc.property(tensors, fc.integer({ min: 1, max: 64 }), (specs, pieceSize) => {
      const path = join(dir, 'x.safetensors');
      using writer = new SafetensorsWriter(path, { tensors: specs });
      // Round robin over the tensors, last one first.
      for (let start = 0; start < 1000; start += pieceSize) {
        for (const tensor of [...specs].reverse()) {
          writer.write(tensor.name, bytesOf(tensor).subarray(start, start + pieceSize));
        }
      }
      writer.commit();
      const file = openSafetensors(path);
      expect(file.tensors.size).toBe(specs.length);
      for (const wanted of specs) {
        const stored = file.tensors.get(wanted.name)!;
        expect(stored).toMatchObject(wanted);
        expect(stored.begin % bytesPerDtype[wanted.dtype]).toBe(0);
        expect(Buffer.from(readTensor(stored)).equals(bytesOf(wanted))).toBe(true);
      }
    });
    fc.assert(property, { numRuns: 100 });
  });

  test('puts its data on a cache line, and its metadata in order of key', () => {
    const path = join(folder(), 'x.safetensors');
    using writer = new SafetensorsWriter(path, { tensors: [spec('a', 1)], metadata: { z: '1', b: '2' } });
    writer.write('a', Uint8Array.of(9));
    writer.commit();
    const { tensors, metadata } = openSafetensors(path);
    expect(tensors.get('a')!.begin % 64).toBe(0);
    expect(Object.entries(metadata)).toEqual([
      ['b', '2'],
      ['format', 'pt'],
      ['z', '1'],
    ]);
  });

  test('is not there before it is complete, and leaves nothing behind when it is given up', () => {
    const dir = folder();
    const path = join(dir, 'x.safetensors');
    writeFileSync(path, 'the old file');
    {
      using writer = new SafetensorsWriter(path, { tensors: [spec('a', 4)] });
      writer.write('a', new Uint8Array(3));
      expectError(() => writer.commit(), 'internal', 'x.safetensors', '"a"', '1 bytes');
      expect(readdirSync(dir)).toEqual(['x.safetensors', 'x.safetensors.partial']);
    }
    expect(readdirSync(dir)).toEqual(['x.safetensors']);
    expect(readFileSync(path, 'utf8')).toBe('the old file');
  });

  test('takes neither more bytes than declared, nor undeclared tensors, nor bytes after its end', () => {
    using writer = new SafetensorsWriter(join(folder(), 'x.safetensors'), { tensors: [spec('a', 4)] });
    expectError(() => writer.write('b', new Uint8Array(1)), 'internal', '"b"', 'not declared');
    expectError(() => writer.write('a', new Uint8Array(5)), 'internal', '"a"', '1 bytes too many');
    writer.write('a', new Uint8Array(4));
    writer.commit();
    expectError(() => writer.commit(), 'internal', 'closed');
  });

  test('refuses declarations that no file can hold', () => {
    const path = join(folder(), 'x.safetensors');
    const declare = (tensors: TensorSpec[]) => () => new SafetensorsWriter(path, { tensors });
    expectError(declare([spec('a', 1), spec('a', 1)]), 'internal', '"a"', 'twice');
    expectError(declare([spec('__metadata__', 1)]), 'internal', '__metadata__');
    for (const shape of [[-1], [0.5], [2 ** 30, 2 ** 30]]) {
      expectError(declare([{ name: 'a', dtype: 'U8', shape }]), 'internal', '"a"', 'shape');
    }
  });

  test('a folder that is not there and a full disk are io errors with the path', () => {
    const dir = folder();
    const tensors = [spec('a', 4)];
    const lost = join(dir, 'none', 'x.safetensors');
    expectError(() => new SafetensorsWriter(lost, { tensors }), 'io', lost);
    symlinkSync('/dev/full', join(dir, 'x.safetensors.partial'));
    const full = join(dir, 'x.safetensors');
    expectError(() => new SafetensorsWriter(full, { tensors }), 'io', full, 'ENOSPC');
  });
});

describe('shards', () => {
  const parts = [[spec('a', 3), spec('b', 8, 'F32')], [spec('c', 5, 'I8')], [spec('d', 2, 'BF16')]];
  const metadata = { run: '1' };

  /** Writes the parts that are not finished, up to `until`; returns the ones written. */
  function work(dir: string, { until = parts.length, run = '1' } = {}): number[] {
    const writer = new ShardWriter(dir, { numShards: parts.length, metadata: { run } });
    const written: number[] = [];
    for (const [number, tensors] of parts.entries()) {
      if (number >= until) return written;
      if (writer.isFinished(number, tensors)) continue;
      using shard = writer.begin(number, tensors);
      for (const tensor of tensors) shard.write(tensor.name, bytesOf(tensor));
      shard.commit();
      written.push(number);
    }
    writer.commit();
    return written;
  }

  const contents = (dir: string) =>
    Object.fromEntries(readdirSync(dir).map((name) => [name, readFileSync(join(dir, name), 'hex')]));

  test('open as one checkpoint under the usual names', () => {
    const dir = folder();
    work(dir);
    expect(readdirSync(dir).sort()).toEqual([
      'model-00001-of-00003.safetensors',
      'model-00002-of-00003.safetensors',
      'model-00003-of-00003.safetensors',
      INDEX,
    ]);
    const store = openTensors(dir);
    for (const tensor of parts.flat()) expect(store.read(tensor.name)).toEqual(bytesOf(tensor));
    expect(JSON.parse(readFileSync(join(dir, INDEX), 'utf8'))).toMatchObject({
      metadata: { total_size: 3 + 32 + 5 + 4 },
      weight_map: { c: 'model-00002-of-00003.safetensors' },
    });
  });

  test('a run that was stopped goes on where it was, and its files are those of a run that was not', () => {
    const [stopped, whole] = [folder(), folder()];
    work(whole);
    work(stopped, { until: 1 });
    // Killed inside the second shard: nothing is disposed.
    const writer = new ShardWriter(stopped, { numShards: 3, metadata });
    writer.begin(1, parts[1]!).write('c', new Uint8Array(2));
    expectError(() => openTensors(stopped), 'not-a-model');

    expect(work(stopped)).toEqual([1, 2]);
    expect(contents(stopped)).toEqual(contents(whole));
    expect(work(stopped)).toEqual([]);
  });

  test('shards of a run with other metadata or tensors, or damaged ones, are written anew', () => {
    const dir = folder();
    work(dir);
    expect(work(dir, { run: '2' })).toEqual([0, 1, 2]);
    const writer = new ShardWriter(dir, { numShards: 3, metadata: { run: '2' } });
    expect(writer.isFinished(1, parts[1]!)).toBe(true);
    expect(writer.isFinished(1, [spec('c', 5, 'U8')])).toBe(false);
    expect(writer.isFinished(1, [spec('c', 6, 'I8')])).toBe(false);
    expect(writer.isFinished(1, [...parts[1]!, spec('e', 0)])).toBe(false);
    writeFileSync(writer.path(1), readFileSync(writer.path(1)).subarray(0, -1));
    expect(writer.isFinished(1, parts[1]!)).toBe(false);
  });

  test('beginning a shard withdraws the index: a folder half old and half new does not open', () => {
    const dir = folder();
    work(dir);
    work(dir, { run: '2', until: 1 });
    expectError(() => openTensors(dir), 'not-a-model');
  });

  test('an index over a shard that is missing is not written', () => {
    const dir = folder();
    work(dir, { until: 2 });
    expectError(
      () => new ShardWriter(dir, { numShards: 3 }).commit(),
      'io',
      'model-00003-of-00003.safetensors',
    );
    expect(existsSync(join(dir, INDEX))).toBe(false);
  });

  test('a single shard is model.safetensors without an index, and the layouts do not mix in one folder', () => {
    const dir = folder();
    const writer = new ShardWriter(dir, { numShards: 1 });
    using shard = writer.begin(0, []);
    shard.commit();
    writer.commit();
    expect(readdirSync(dir)).toEqual(['model.safetensors']);
    expectError(() => new ShardWriter(dir, { numShards: 2 }), 'bad-option', dir, 'model.safetensors');
  });

  test('are planned in order, within the limit where a tensor is', () => {
    const sizes = [6, 4, 1, 12, 3, 7, 1];
    const plan = planShards(
      sizes.map((size, i) => spec(`t${i}`, size)),
      10,
    );
    expect(plan.map((shard) => shard.map(({ shape }) => shape[0]))).toEqual([[6, 4], [1], [12], [3, 7], [1]]);
    expect(planShards([])).toEqual([]);
  });
});
