// The golden vectors of the quantizers, read with the few lines of safetensors that they need.
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';

export interface GoldenTensor {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** Tensors of golden/quantizers.safetensors by name; all are f32. */
export function readGolden(): (name: string) => GoldenTensor {
  const file = readFileSync(new URL('../../golden/quantizers.safetensors', import.meta.url));
  const headerLength = Number(file.readBigUInt64LE(0));
  const header: unknown = JSON.parse(file.toString('utf8', 8, 8 + headerLength));
  const entries = header as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  return (name) => {
    const entry = entries[name];
    if (entry?.dtype !== 'F32') throw new Error(`${name} is not an f32 tensor of the golden file`);
    const [start, end] = entry.data_offsets.map((offset) => offset + 8 + headerLength);
    const bytes = Uint8Array.from(file.subarray(start, end));
    return { shape: entry.shape, values: new Float32Array(bytes.buffer) };
  };
}

/** Rows of a (rows, columns) tensor. */
export function rowsOf({ shape, values }: GoldenTensor): Float32Array[] {
  const [rows, columns] = shape as [number, number];
  return Array.from({ length: rows }, (_, row) => values.subarray(row * columns, (row + 1) * columns));
}

export function concatenate(rows: readonly Float32Array[]): Float32Array {
  return Float32Array.from(rows.flatMap((row) => Array.from(row)));
}

/** Equal as float32 numbers, every one; -0 equals 0, which no product or sum downstream can tell apart. */
export function expectSameNumbers(actual: Float32Array, expected: Float32Array): void {
  expect(actual.length).toBe(expected.length);
  const differing = Array.from(expected.keys()).filter((i) => actual[i] !== expected[i]);
  expect(differing.map((i) => ({ i, actual: actual[i], expected: expected[i] }))).toEqual([]);
}
