// The peers' models: files in the layout that ggml's docs/gguf.md gives, with as many bytes as their tensors take.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { randomShapes } from '../../src/checkpoint/random-checkpoint.ts';

const writer = resolve(import.meta.dirname, '../../bench/peers/random-gguf.js');
const { writeRandomGguf } = (await import(writer)) as {
  writeRandomGguf: (path: string, config: object, type: string) => void;
};
const scratch = mkdtempSync(join(tmpdir(), 'atom-gguf-'));
afterAll(() => rmSync(scratch, { recursive: true }));

/** Reads numbers and strings one after the other. */
class Cursor {
  at = 0;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  u32 = (): number => this.#bytes.readUInt32LE(this.#skip(4));
  u64 = (): number => Number(this.#bytes.readBigUInt64LE(this.#skip(8)));

  text(): string {
    const length = this.u64();
    const start = this.#skip(length);
    return this.#bytes.toString('utf8', start, this.at);
  }

  #skip(bytes: number): number {
    this.at += bytes;
    return this.at - bytes;
  }

  value(type: number): unknown {
    if (type === 8) return this.text();
    if (type !== 9) return this.u32();
    const inner = this.u32();
    return Array.from({ length: this.u64() }, () => this.value(inner));
  }
}

test.each([
  ['f16', 1, 2],
  ['q8_0', 8, 34 / 32],
  ['q4_0', 2, 18 / 32],
] as const)('%s', (type, id, bytesPerElement) => {
  const config = { ...randomShapes.tiny, num_hidden_layers: 2 };
  const path = join(scratch, `${type}.gguf`);
  writeRandomGguf(path, config, type);
  const bytes = readFileSync(path);
  const cursor = new Cursor(bytes);
  expect([cursor.u32(), cursor.u32()]).toEqual([Buffer.from('GGUF').readUInt32LE(), 3]);
  const [tensors, keys] = [cursor.u64(), cursor.u64()];
  const metadata = new Map(
    Array.from({ length: keys }, () => [cursor.text(), cursor.value(cursor.u32())] as const),
  );
  expect(metadata.get('llama.block_count')).toBe(2);
  expect(metadata.get('tokenizer.ggml.tokens')).toHaveLength(4096);

  const infos = Array.from({ length: tensors }, () => {
    const name = cursor.text();
    const dims = Array.from({ length: cursor.u32() }, cursor.u64);
    return { name, dims, type: cursor.u32(), offset: cursor.u64() };
  });
  expect(infos).toHaveLength(2 * 9 + 3);
  const start = Math.ceil(cursor.at / 32) * 32;
  for (const [i, info] of infos.entries()) {
    const norm = info.dims.length === 1;
    expect(info.type).toBe(norm ? 0 : id);
    const size = info.dims.reduce((a, b) => a * b) * (norm ? 4 : bytesPerElement);
    const next = infos[i + 1]?.offset ?? bytes.length - start;
    expect(next - info.offset).toBe(Math.ceil(size / 32) * 32);
    // Scales and values are numbers that a model can live with.
    const [low, high] = [0, 1].map((byte) => bytes[start + info.offset + byte]!);
    if (!norm) expect((((high! << 8) | low!) >>> 10) & 0x1f).toBeLessThan(15);
  }
  expect(infos.find(({ name }) => name === 'blk.1.ffn_down.weight')!.dims).toEqual([768, 256]);
});
