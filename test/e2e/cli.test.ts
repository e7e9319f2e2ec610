// The command line as a user meets it: the compiled program, its output, its exit codes.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const model = join(root, 'models/tiny-classics');
const scratch = mkdtempSync(join(tmpdir(), 'atom-cli-'));
afterAll(() => rmSync(scratch, { recursive: true }));

function atom(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'bin/atom.js'), ...args], {
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

let copies = 0;

/** A copy of the demo model with something done to it. */
function damaged(damage: (dir: string) => void): string {
  const dir = join(scratch, `model-${copies++}`);
  cpSync(model, dir, { recursive: true });
  damage(dir);
  return dir;
}

const editJson = (dir: string, file: string, edit: (value: Record<string, unknown>) => object) => {
  const path = join(dir, file);
  writeFileSync(path, JSON.stringify(edit(JSON.parse(readFileSync(path, 'utf8')))));
};

/** Rewrites the header of model.safetensors; the data stays as it is. */
function editHeader(dir: string, edit: (header: Record<string, Record<string, unknown>>) => void): void {
  const path = join(dir, 'model.safetensors');
  const bytes = readFileSync(path);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length));
  edit(header);
  const text = Buffer.from(JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(path, Buffer.concat([size, text, bytes.subarray(8 + length)]));
}

const lastNorm = 'model.norm.weight';

describe('a bad model gives one line with file and reason, and exit code 1', () => {
  const cases: [string, (dir: string) => void, RegExp][] = [
    [
      'truncated weights',
      (dir) => truncateSync(join(dir, 'model.safetensors'), 1_000_000),
      /model\.safetensors/,
    ],
    [
      'a header of 2^60 bytes',
      (dir) => {
        const bytes = readFileSync(join(dir, 'model.safetensors'));
        bytes.writeBigUInt64LE(2n ** 60n);
        writeFileSync(join(dir, 'model.safetensors'), bytes);
      },
      /model\.safetensors.*1152921504606846976/,
    ],
    [
      'overlapping tensors',
      (dir) =>
        editHeader(dir, (header) => {
          header[lastNorm]!.data_offsets = header['model.layers.0.input_layernorm.weight']!.data_offsets;
        }),
      /model\.safetensors.*norm\.weight/,
    ],
    [
      'a missing tensor',
      (dir) =>
        editHeader(dir, (header) => {
          header['model.other.weight'] = header[lastNorm]!;
          delete header[lastNorm];
        }),
      /model\.norm\.weight/,
    ],
    [
      'a shape that contradicts the config',
      (dir) => editJson(dir, 'config.json', (config) => ({ ...config, intermediate_size: 512 })),
      /mlp\.\w+_proj\.weight.*512/,
    ],
    [
      'an unknown architecture',
      (dir) =>
        editJson(dir, 'config.json', (config) => ({ ...config, architectures: ['GPTNeoXForCausalLM'] })),
      /GPTNeoXForCausalLM/,
    ],
    [
      'an unknown RoPE type',
      (dir) =>
        editJson(dir, 'config.json', (config) => ({
          ...config,
          rope_scaling: { rope_type: 'spiral', factor: 2 },
        })),
      /spiral/,
    ],
    [
      'a tokenizer beyond the vocabulary',
      (dir) =>
        editJson(dir, 'tokenizer.json', (value) => ({
          ...value,
          added_tokens: [...(value.added_tokens as object[]), { id: 5000, content: '<far>', special: true }],
        })),
      /tokenizer\.json.*5000/,
    ],
    [
      'a config that is not JSON',
      (dir) => writeFileSync(join(dir, 'config.json'), '{"model_type": '),
      /config\.json/,
    ],
    [
      'a folder that is not a model',
      (dir) => {
        for (const file of ['config.json', 'model.safetensors']) rmSync(join(dir, file));
      },
      /is not a model.*config\.json/,
    ],
  ];

  test.each(cases)('%s', (_, damage, expected) => {
    const { status, stdout, stderr } = atom(
      'generate',
      damaged(damage),
      '--prompt',
      'x',
      '--max-tokens',
      '1',
    );
    expect(stderr.trim()).toMatch(expected);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stdout).toBe('');
    expect(status).toBe(1);
  });

  test('a missing shard', () => {
    const dir = damaged((path) => {
      rmSync(join(path, 'model.safetensors'));
      writeFileSync(
        join(path, 'model.safetensors.index.json'),
        JSON.stringify({ weight_map: { [lastNorm]: 'model-00001-of-00002.safetensors' } }),
      );
    });
    const { status, stderr } = atom('generate', dir, '--prompt', 'x');
    expect(stderr).toMatch(/model-00001-of-00002\.safetensors/);
    expect(status).toBe(1);
  });

  test('a prompt longer than the context', () => {
    const { status, stderr } = atom('generate', model, '--prompt', 'word '.repeat(1100));
    expect(stderr).toMatch(/prompt has \d+ tokens.*context holds 1024/);
    expect(status).toBe(1);
  });
});

test('generate prints sensible text, the same for the same seed', () => {
  const run = (seed: string) =>
    atom('generate', model, '--prompt', 'The captain said', '--max-tokens', '60', '--seed', seed, '--json');
  const first = JSON.parse(run('5').stdout) as { text: string; tokens: number[]; promptTokens: number };
  expect(first.tokens.length).toBeGreaterThan(10);
  expect(first.text).toMatch(/\b(the|and|of|to|a)\b/);
  expect(JSON.parse(run('5').stdout)).toMatchObject({ text: first.text, tokens: first.tokens });
  expect((JSON.parse(run('6').stdout) as { text: string }).text).not.toBe(first.text);
});

test('generate stops before a stop string', () => {
  const { stdout } = atom(
    'generate',
    model,
    '--prompt',
    'The captain said',
    '--max-tokens',
    '100',
    '--temperature',
    '0',
    '--stop',
    ' the ',
    '--json',
  );
  expect((JSON.parse(stdout) as { text: string }).text).not.toContain(' the ');
});

test('eval measures perplexity on the text beside the model', () => {
  const text = join(scratch, 'short.txt');
  writeFileSync(text, readFileSync(join(model, 'test.txt'), 'utf8').slice(0, 20_000));
  const { status, stdout } = atom(
    'eval',
    model,
    '--ppl',
    '--text',
    text,
    '--window',
    '256',
    '--compute',
    'f32',
    '--json',
  );
  expect(status).toBe(0);
  const result = JSON.parse(stdout) as { perplexity: number; tokens: number; windows: number };
  expect(result.tokens).toBe(result.windows * 255);
  expect(result.perplexity).toBeGreaterThan(20);
  expect(result.perplexity).toBeLessThan(120);
});

test('inspect tells parameters and memory as JSON', () => {
  const { stdout } = atom('inspect', model, '--json', '--batch', '2', '--context', '512');
  expect(JSON.parse(stdout)).toMatchObject({
    parameters: 5_770_496,
    tensors: 56,
    memory: { batch: 2, context: 512 },
  });
});

test('chat answers each line and ends with the input', () => {
  const { status, stdout } = spawnSync(
    process.execPath,
    [join(root, 'bin/atom.js'), 'chat', model, '--max-tokens', '12', '--seed', '1'],
    {
      input: 'Good evening.\nWho are you?\n',
      encoding: 'utf8',
    },
  );
  expect(status).toBe(0);
  expect(stdout.trim().length).toBeGreaterThan(20);
});

test('a misspelt option is named, with a suggestion, and exits with 2', () => {
  const { status, stderr } = atom('generate', model, '--promt', 'x');
  expect(stderr).toMatch(/--promt.*--prompt/s);
  expect(status).toBe(2);
});

test('an instruction set this machine lacks exits with 2', () => {
  const { status, stderr } = spawnSync(
    process.execPath,
    [join(root, 'bin/atom.js'), 'generate', model, '--prompt', 'x'],
    {
      env: { ...process.env, ATOM_ISA: 'vax' },
      encoding: 'utf8',
    },
  );
  expect(stderr).toMatch(/ATOM_ISA.*portable/);
  expect(status).toBe(2);
});

test('help and version exit with 0', () => {
  expect(atom('--help')).toMatchObject({ status: 0 });
  expect(atom('--version').stdout.trim()).toMatch(/^\d+\.\d+\.\d+/);
});
