// Logits of some rows of a step: the last layer's MLP runs for them alone, whichever they are and however often.
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { CpuBackend } from '../../src/backend/cpu/cpu-backend.ts';
import { BatchBuffer } from '../../src/model/batch-buffer.ts';
import { loadModel } from '../../src/model/load-model.ts';

const folder = resolve(import.meta.dirname, '../../models/tiny-classics');

test.each(['bf16', 'f32'] as const)(
  'rows give the logits in %s that they give among all others',
  (compute) => {
    using backend = new CpuBackend();
    const tokens = 40;
    using model = loadModel(folder, { backend, compute, maxTokens: tokens, maxOutputs: tokens });
    using cache = model.createKvCache({ blockSize: 16, numBlocks: 4 });
    using buffer = new BatchBuffer(backend, { maxTokens: tokens, maxSequences: 2, maxBlocksPerSequence: 2 });
    const tokenIds = Int32Array.from({ length: tokens }, (_, i) => (i * 37 + 11) % model.config.vocabSize);
    const batch = buffer.fill([
      { tokenIds: tokenIds.subarray(0, 25), start: 0, blocks: [0, 1] },
      { tokenIds: tokenIds.subarray(25), start: 0, blocks: [2, 3] },
    ]);
    using outputRows = backend.allocate('i32', [tokens]);
    const logitsOf = (rows: readonly number[]) => {
      outputRows.i32().set(rows);
      const logits = model.logits({ outputRows, numOutputs: rows.length }).f32();
      const { vocabSize } = model.config;
      return rows.map((_, i) => logits.slice(i * vocabSize, (i + 1) * vocabSize));
    };
    model.run({ batch, cache });
    const all = logitsOf([...Array(tokens).keys()]);
    expect(all[0]).not.toEqual(all[1]);
    for (const rows of [[24], [39, 24, 0], [7, 7], [39]]) {
      expect(logitsOf(rows)).toEqual(rows.map((row) => all[row]));
    }
  },
);
