// Makes checkpoint files by hand for these tests, byte by byte and without the writer under test.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import type { AtomError, ErrorCode } from '../../src/errors.ts';

/** A folder that goes away with the test, holding `files`. */
export function folder(files: Record<string, string | Uint8Array> = {}): string {
  const dir = mkdtempSync(join(tmpdir(), 'atom-checkpoint-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(dir, name), content);
  return dir;
}

/** A safetensors file with this header, taken to the letter, and this data. */
export function safetensors(header: unknown, data: Uint8Array | number = 0): Uint8Array {
  const text = typeof header === 'string' ? header : JSON.stringify(header);
  const json = Buffer.from(text);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.byteLength));
  return Buffer.concat([length, json, typeof data === 'number' ? Buffer.alloc(data) : data]);
}

/** A safetensors file of zeros with these tensors, one after the other. */
export function zeros(
  tensors: Record<string, { dtype: 'F32' | 'BF16' | 'I8'; shape: readonly number[] }>,
): Uint8Array {
  let offset = 0;
  const header = Object.fromEntries(
    Object.entries(tensors).map(([name, { dtype, shape }]) => {
      const begin = offset;
      offset += shape.reduce((product, extent) => product * extent, { F32: 4, BF16: 2, I8: 1 }[dtype]);
      return [name, { dtype, shape, data_offsets: [begin, offset] }];
    }),
  );
  return safetensors(header, offset);
}

/** Expects an AtomError with this code whose message holds every one of `parts`. */
export function expectError(action: () => unknown, code: ErrorCode, ...parts: string[]): void {
  let thrown: unknown;
  try {
    action();
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toMatchObject({ name: 'AtomError', code });
  for (const part of parts) expect((thrown as AtomError).message).toContain(part);
}
