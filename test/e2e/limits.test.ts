// Every message that docs/limits.md quotes is what this version says when it is asked for what it does not do.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { CpuBackend } from '../../src/backend/cpu/cpu-backend.ts';
import { expectedTensors } from '../../src/checkpoint/expected-tensors.ts';
import type { JsonObject } from '../../src/checkpoint/json-file.ts';
import { parseModelConfig } from '../../src/checkpoint/model-config.ts';
import { openCheckpoint } from '../../src/checkpoint/open-checkpoint.ts';
import { randomShapes, writeRandomCheckpoint } from '../../src/checkpoint/random-checkpoint.ts';
import { loadModel } from '../../src/model/load-model.ts';
import { presetNamed } from '../../src/quantize/presets.ts';
import { writeRandomQuantized } from '../../src/quantize/random-quantized.ts';
import { writeQuantized } from '../../src/quantize/write-checkpoint.ts';
import { loadTokenizer } from '../../src/tokenizer/load-tokenizer.ts';
import { safetensors } from '../checkpoint/files.ts';
import { runAtom } from './run-atom.ts';

const root = resolve(import.meta.dirname, '../..');
const scratch = mkdtempSync(join(tmpdir(), 'atom-limits-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const tiny = { ...randomShapes.tiny, num_hidden_layers: 1 } as const satisfies JsonObject;
const experts = { num_local_experts: 2, num_experts_per_tok: 1 };
const mixtral = { ...tiny, ...experts, architectures: ['MixtralForCausalLM'] };
const toolVersion = '0.0.0-test';
const place = (name: string) => join(scratch, name);

/** The folder of a checkpoint of random weights. */
function written(name: string, config: JsonObject): string {
  const tokenizerFrom = join(root, 'models/tiny-classics');
  writeRandomCheckpoint(place(name), { config, tokenizerFrom });
  return place(name);
}

/** config.json with these fields instead. */
const configured = (fields: JsonObject) => parseModelConfig({ ...tiny, ...fields }, 'config.json');

function edited(name: string, file: string, edit: (json: Record<string, JsonObject>) => void): string {
  const path = join(written(name, tiny), file);
  const json = JSON.parse(readFileSync(path, 'utf8'));
  edit(json);
  writeFileSync(path, JSON.stringify(json));
  return place(name);
}

/** A folder with one file. */
function holding(name: string, file: string): string {
  mkdirSync(place(name));
  writeFileSync(join(place(name), file), '');
  return place(name);
}

/** A plain checkpoint of zeros whose embedding is in FP8. */
function inFloat8(): string {
  mkdirSync(place('fp8'));
  let offset = 0;
  const header = Object.fromEntries(
    [...expectedTensors(configured({}))].map(({ name, shape, role }) => {
      const [dtype, bytes] = role === 'embedding' ? ['F8_E4M3', 1] : ['BF16', 2];
      const begin = offset;
      offset += bytes * shape.reduce((product, extent) => product * extent, 1);
      return [name, { dtype, shape, data_offsets: [begin, offset] }];
    }),
  );
  writeFileSync(join(place('fp8'), 'config.json'), JSON.stringify(tiny));
  writeFileSync(join(place('fp8'), 'model.safetensors'), safetensors(header, offset));
  return place('fp8');
}

async function quantized(folder: string): Promise<unknown> {
  using backend = new CpuBackend();
  const samples = [Int32Array.from({ length: 16 }, (_, i) => i)];
  const options = { backend, recipe: presetNamed('atom'), samples, out: place('out'), toolVersion };
  return await writeQuantized(openCheckpoint(folder), options);
}

function loaded(folder: string): void {
  using backend = new CpuBackend();
  using _model = loadModel(folder, { backend, maxTokens: 1 });
}

/** What the command says of it. */
async function refused(...args: string[]): Promise<never> {
  const { status, stderr } = await runAtom(args);
  expect(status).not.toBe(0);
  throw new Error(stderr);
}

const asked: Readonly<Record<string, () => unknown>> = {
  'another architecture': () => configured({ architectures: ['GPTNeoXForCausalLM'] }),
  'a mixture of experts': () => loaded(written('mixtral', mixtral)),
  'the same, quantized': () => quantized(written('mixtral-2', mixtral)),
  'an activation other than SiLU': () => configured({ hidden_act: 'gelu' }),
  'rotary embedding of a part': () => configured({ partial_rotary_factor: 0.5 }),
  'another stretch': () => configured({ rope_scaling: { rope_type: 'longrope', factor: 2 } }),
  'layers other than full and sliding': () => configured({ layer_types: ['linear_attention'] }),
  'weights that are not F32': () => openCheckpoint(inFloat8()),
  'quantized by something else': () =>
    openCheckpoint(written('gptq', { ...tiny, quantization_config: { quant_method: 'gptq', bits: 4 } })),
  'GGUF, `.bin`, ONNX': () => openCheckpoint(holding('gguf', 'model.gguf')),
  'another kind of model': () =>
    loadTokenizer(
      edited('unigram', 'tokenizer.json', ({ model }) => Object.assign(model!, { type: 'Unigram' })),
    ),
  'a SentencePiece file alone': () => loadTokenizer(holding('sentencepiece', 'tokenizer.model')),
  'not known to be exact': () =>
    loadTokenizer(
      edited('bert', 'tokenizer.json', (json) =>
        Object.assign(json, { pre_tokenizer: { type: 'BertPreTokenizer' } }),
      ),
    ),
  'quantized already': () => {
    const folder = place('quantized');
    writeRandomQuantized(folder, { config: tiny, recipe: presetNamed('atom'), toolVersion });
    return refused('quantize', folder);
  },
  'formats without kernels': async () => {
    const folder = place('paper');
    const recipe = presetNamed('atom-paper');
    writeRandomQuantized(folder, { config: tiny, recipe, toolVersion });
    loaded(folder);
  },
  'do not divide the channels': () =>
    refused('quantize', written('groups', tiny), '--group-size', '96', '--out', place('out')),
};

/** Rows of the tables: what is asked for, and what it says. */
const rows = [
  ...readFileSync(join(root, 'docs/limits.md'), 'utf8').matchAll(/^\| (.*?) \| `([^|]*)` \|$/gm),
].map(([, what, message]) => ({ what: what!, message: message! }));

describe('docs/limits.md', () => {
  test('has a row for all that is tried here, and nothing else', () => {
    const tried = Object.keys(asked).map((name) => rows.filter(({ what }) => what.includes(name)).length);
    expect(tried).toEqual(tried.map(() => 1));
    expect(rows).toHaveLength(tried.length);
  });

  test.each(rows)('$what', async ({ what, message }) => {
    const [, ask] = Object.entries(asked).find(([name]) => what.includes(name))!;
    const said = await Promise.resolve()
      .then(ask)
      .then(
        () => 'nothing',
        (error: Error) => error.message,
      );
    expect(said).toContain(message);
  });
});
