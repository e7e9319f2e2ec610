// What makes two runs of quantization the same: the model, the calibration tokens, every parameter. Shards written under
// one fingerprint fit together; a run that was killed goes on only behind its own.
import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import type { Checkpoint } from '../checkpoint/open-checkpoint.ts';

/** Of the calibration windows' token ids. */
export function samplesFingerprint(samples: readonly Int32Array[]): string {
  const hash = createHash('sha256');
  for (const sample of samples)
    hash.update(new Uint8Array(sample.buffer, sample.byteOffset, sample.byteLength));
  return hash.digest('hex').slice(0, 16);
}

/** Of everything that the output depends on. Weights are sampled: reading all of a large model would take minutes. */
export function runFingerprint(checkpoint: Checkpoint, parameters: unknown): string {
  const hash = createHash('sha256').update(JSON.stringify([checkpoint.config, parameters]));
  for (const { path, byteLength } of checkpoint.tensors.files) {
    hash.update(String(byteLength));
    for (const piece of piecesOf(path, byteLength)) hash.update(piece);
  }
  return hash.digest('hex').slice(0, 32);
}

const pieces = 64;
const pieceBytes = 4096;

/** Pieces of a file, evenly spread from its first byte to its last. */
function* piecesOf(path: string, byteLength: number): Generator<Uint8Array> {
  const file = openSync(path, 'r');
  try {
    const buffer = new Uint8Array(pieceBytes);
    for (let i = 0; i < pieces; i++) {
      const at = Math.floor((Math.max(0, byteLength - pieceBytes) * i) / (pieces - 1));
      yield buffer.subarray(0, readSync(file, buffer, 0, pieceBytes, at));
    }
  } finally {
    closeSync(file);
  }
}
