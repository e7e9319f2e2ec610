// `atom quantize` as a user meets it: listed presets, wrong options, a report, a kill in the middle and the same bytes
// afterwards; and `atom inspect` explaining what came out.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { randomShapes, writeRandomCheckpoint } from '../../src/checkpoint/random-checkpoint.ts';

const root = resolve(import.meta.dirname, '../..');
const program = join(root, 'bin/atom.js');
const scratch = mkdtempSync(join(tmpdir(), 'atom-quantize-'));
const model = join(scratch, 'model');
const quick = ['--samples', '4', '--sequence-length', '64'];

beforeAll(() => {
  const config = { ...randomShapes.tiny, hidden_size: 128, intermediate_size: 256, num_hidden_layers: 4 };
  writeRandomCheckpoint(model, { config, tokenizerFrom: join(root, 'models/tiny-classics') });
});
afterAll(() => rmSync(scratch, { recursive: true }));

function atom(...args: string[]) {
  return spawnSync(process.execPath, [program, ...args], { encoding: 'utf8', cwd: scratch });
}

function hashesOf(folder: string): string[] {
  const names = readdirSync(folder).filter((name) => /safetensors|^config\.json$/.test(name));
  return names.sort().map((name) => {
    return `${name} ${createHash('sha256')
      .update(readFileSync(join(folder, name)))
      .digest('hex')}`;
  });
}

test('presets are listed with what they are', () => {
  const { stdout, status } = atom('quantize', '--list');
  expect(status).toBe(0);
  for (const name of [
    'atom ',
    'atom-paper',
    'atom-w3a3',
    'atom-nvfp4',
    'w4a8kv4',
    'smoothquant',
    'sparsegpt-2:4',
  ]) {
    expect(stdout).toContain(name);
  }
});

test.each([
  [['--preset', 'atom-w5a5'], /no preset 'atom-w5a5'; choose one of atom, /],
  [['--group-size', '48'], /do not divide into .* groups of 48/],
  [['--outliers', '128'], /outlier channels leave nothing/],
  [['--weights', 'int5'], /int5.*Allowed choices/s],
  [['--weight-clip', '3'], /expected a number from/],
  [['--rounding', 'sparsegpt'], /needs a preset that prunes/],
  [['--bits-budget', '2.1'], /2\.1 bits/],
])('%j is refused with what to do, exit code 2', (options, reason) => {
  const { stderr, status } = atom('quantize', model, '-o', 'refused', ...quick, ...options);
  expect(stderr).toMatch(reason);
  expect(status).toBe(2);
  expect(existsSync(join(scratch, 'refused', 'model.safetensors.index.json'))).toBe(false);
});

test('a model becomes a checkpoint, a report and lines that explain it', () => {
  const { stdout, stderr, status } = atom('quantize', model, '-o', 'whole', ...quick);
  expect(stderr).toContain('layer 4 of 4');
  expect(status).toBe(0);
  expect(stdout).toMatch(/bits a weight/);
  const page = readFileSync(join(scratch, 'whole/quantization-report.html'), 'utf8');
  expect(page).toContain('atom quantize');
  const report = JSON.parse(readFileSync(join(scratch, 'whole/quantization-report.json'), 'utf8'));
  expect(report.layers).toHaveLength(4);
  expect(report.averageBits).toBeGreaterThan(4);

  const inspected = atom('inspect', 'whole').stdout;
  expect(inspected).toMatch(/quantized +atom, rounded by gptq/);
  expect(inspected).toMatch(/int4 x int4 100 %; groups of 32, 32 outlier channels in int8/);
  expect(inspected).toMatch(/runs +with kernels/);
  expect(atom('quantize', 'whole', '-o', 'again').stderr).toContain('quantized already');
  expect(atom('quantize', model, '-o', 'whole', '--seed', '7', ...quick).stderr).toContain('--overwrite');
});

test('killed in the middle and started again, it gives the same bytes', async () => {
  const child = spawn(process.execPath, [program, 'quantize', model, '-o', 'pieces', ...quick], {
    cwd: scratch,
  });
  child.stderr.setEncoding('utf8');
  await new Promise<void>((done) => {
    child.stderr.on('data', (text: string) => text.includes('layer 2 of 4') && child.kill('SIGKILL'));
    child.on('exit', () => done());
  });
  expect(existsSync(join(scratch, 'pieces/model.safetensors.index.json'))).toBe(false);
  const { stderr, status } = atom('quantize', model, '-o', 'pieces', ...quick);
  expect(status).toBe(0);
  expect(stderr).toContain('layer 1 of 4: finished earlier');
  expect(hashesOf(join(scratch, 'pieces'))).toEqual(hashesOf(join(scratch, 'whole')));
});

test('a wrong quantization_config is one clear error', () => {
  const file = join(scratch, 'whole/config.json');
  const text = readFileSync(file, 'utf8');
  const config = JSON.parse(text);
  config.quantization_config.linears.weight.group_size = 16;
  writeFileSync(file, JSON.stringify(config));
  const { stderr, status } = atom('inspect', 'whole');
  expect(stderr).toMatch(/weight_scale.*has shape/);
  expect(status).toBe(1);
  writeFileSync(file, text);
});
