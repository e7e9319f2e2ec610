// Perplexity of the demo models' whole text, as `atom eval --ppl --compute f32` measures it, against PyTorch's figure.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { CpuBackend } from '../../src/backend/cpu/cpu-backend.ts';
import { evaluate } from '../../src/evaluate/evaluate.ts';
import { loadModel } from '../../src/model/load-model.ts';
import { loadTokenizer } from '../../src/tokenizer/load-tokenizer.ts';

const root = resolve(import.meta.dirname, '../..');
const { ladder } = JSON.parse(readFileSync(join(root, 'golden/golden.json'), 'utf8')) as {
  ladder: Record<string, Record<string, number>>;
};

test.each(['tiny-classics', 'tiny-classics-outliers'])(
  '%s, to 0.01 %',
  { timeout: 300_000 },
  async (name) => {
    const folder = join(root, 'models', name);
    using backend = new CpuBackend();
    using model = loadModel(folder, { backend, compute: 'f32', maxTokens: 512, maxOutputs: 512 });
    const tokenizer = loadTokenizer(folder, { vocabSize: model.config.vocabSize });
    const text = readFileSync(join(root, 'models/tiny-classics/test.txt'), 'utf8');
    const plan = {
      texts: [{ name: 'test.txt', text }],
      window: 512,
      ...{ tasks: [], fewShot: 0, addBos: false },
    };
    const { texts } = await evaluate({ model, backend, tokenizer, plan });
    expect(Math.abs(texts[0]!.perplexity / ladder[name]!.FP32! - 1)).toBeLessThan(1e-4);
  },
);
