// Every command of an `sh` block in README.md and docs/ is run, in order, by a shell in a folder that looks like a clone:
// with small models for the placeholders, a Hub of the test's own, and short runs. What they print is not looked at, but
// for servers, which must answer; each must end with code 0.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { randomShapes, writeRandomCheckpoint } from '../../src/checkpoint/random-checkpoint.ts';
import { tasks } from '../../src/evaluate/tasks/tasks.ts';
import { textDatasets } from '../../src/hub/text-datasets.ts';
import { presetNamed } from '../../src/quantize/presets.ts';
import { writeRandomQuantized } from '../../src/quantize/random-quantized.ts';
import { type HostedRepository, type HubServer, startHubServer } from '../hub/hub-server.ts';
import { documents, notRun, pagesApart, root, shownBlocks } from './document-commands.ts';
import { killGroups, startGroup } from './process-group.ts';

const scratch = mkdtempSync(join(tmpdir(), 'atom-documents-'));
/** What stands for the placeholders. */
const made = join(scratch, 'made');
const bundled = join(root, 'models/tiny-classics');
let hub: HubServer;
let environment: NodeJS.ProcessEnv;

beforeAll(async () => {
  make();
  hub = await startHubServer(hosted());
  const bin = join(scratch, 'bin');
  mkdirSync(bin);
  const program = join(root, 'bin/atom.js');
  writeFileSync(join(bin, 'atom'), `#!/bin/sh\nexec node '${program}' "$@"\n`, { mode: 0o755 });
  environment = {
    ...process.env,
    PATH: `${bin}:${process.env.PATH}`,
    ROOT: root,
    SCRATCH: scratch,
    XDG_CACHE_HOME: join(scratch, 'cache'),
    HF_ENDPOINT: hub.endpoint,
    HF_HUB_CACHE: join(scratch, 'hub'),
    HF_TOKEN: '',
    HF_HUB_OFFLINE: '',
    // Of servers that are started without one.
    ATOM_PORT: '0',
  };
});

afterAll(async () => {
  killGroups();
  await hub[Symbol.asyncDispose]();
  rmSync(scratch, { recursive: true });
});

/** Models of one small layer, a text, a file of keys. */
function make(): void {
  mkdirSync(made);
  const sizes = { hidden_size: 64, intermediate_size: 96, num_attention_heads: 2, num_key_value_heads: 1 };
  const config = { ...randomShapes.tiny, ...sizes, num_hidden_layers: 1 };
  writeRandomCheckpoint(join(made, 'model'), { config, tokenizerFrom: bundled });
  for (const preset of ['atom', 'w8a8']) {
    const folder = join(made, `model-${preset}`);
    writeRandomQuantized(folder, { config, recipe: presetNamed(preset), toolVersion: '0.0.0-test' });
    for (const name of ['tokenizer.json', 'tokenizer_config.json'])
      cpSync(join(bundled, name), join(folder, name));
  }
  const text = readFileSync(join(bundled, 'test.txt'), 'utf8').slice(0, 12_000);
  writeFileSync(join(made, 'text.txt'), text);
  writeFileSync(join(made, 'keys'), 'sk-test\n');
}

/** A folder that looks like a clone, with what was made in it. */
function cloneFor(document: string): string {
  const clone = join(scratch, document.replace(/\W/g, '-'));
  cpSync(made, clone, { recursive: true });
  for (const name of ['package.json', 'node_modules', 'bin', 'bench', 'scripts', 'models'])
    symlinkSync(join(root, name), join(clone, name));
  return clone;
}

/** The model, and every data set with the rows of the fixtures. */
function hosted(): Record<string, HostedRepository> {
  const model = join(made, 'model');
  const files = Object.fromEntries(readdirSync(model).map((name) => [name, readFileSync(join(model, name))]));
  const sets = new Map<string, Record<string, Buffer>>();
  const add = (key: string, path: string, rows: string) =>
    sets.set(key, { ...sets.get(key), [path]: path.endsWith('.gz') ? gzipSync(rows) : Buffer.from(rows) });
  const lines = readFileSync(join(made, 'text.txt'), 'utf8').split('\n');
  for (const { id, config, column, test: part } of textDatasets) {
    const rows = lines.map((text) => `${JSON.stringify({ [column]: text })}\n`).join('');
    add(id, part.files?.[0] ?? `${config}/${part.split}/0000.jsonl`, rows);
  }
  for (const { name, dataset } of tasks) {
    const fixture = join(root, `test/evaluate/fixtures/${name.replace(/_.*/, '')}.jsonl`);
    add(dataset.id, `${dataset.config}/${dataset.evaluated}/0000.jsonl`, readFileSync(fixture, 'utf8'));
  }
  const datasets = [...sets].map(([id, content]) => {
    const converted = { commit: '3'.repeat(40), files: content };
    const revisions = { 'refs/convert/parquet': converted };
    return [`datasets/${id}`, { commit: '2'.repeat(40), files: content, revisions }] as const;
  });
  return { 'models/someone/model': { commit: '1'.repeat(40), files }, ...Object.fromEntries(datasets) };
}

interface Served {
  readonly url: string;
  end(): Promise<void>;
}

/** A command that serves: resolves once it has said how to try it and says that it is well. */
async function serve(command: string, cwd: string): Promise<Served> {
  const { output, hasEnded, end } = startGroup('bash', ['-c', `exec ${command}`], { cwd, env: environment });
  await expect.poll(() => output().includes('try: curl') || hasEnded(), { timeout: 50_000 }).toBe(true);
  const address = / at (http:\/\/[^\s"]+)/.exec(output())?.[1];
  if (address === undefined) throw new Error(`${command} ended: ${output()}`);
  const url = address.replace('0.0.0.0', '127.0.0.1');
  expect((await fetch(`${url}/health`)).status).toBe(200);
  return {
    url,
    async end() {
      expect([await end('SIGTERM'), command]).toEqual([0, command]);
    },
  };
}

/** Any other command, with what a user might type into it; throws what it printed where it fails. */
async function run(command: string, cwd: string): Promise<void> {
  const child = spawn('bash', ['-c', command], { cwd, env: environment, stdio: ['pipe', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece) => (output += piece));
  // Many do not read it, and end before it is written.
  child.stdin.on('error', () => {});
  child.stdin.end('Good evening.\n');
  const [status] = (await once(child, 'close')) as [number | null];
  if (status !== 0) throw new Error(`${command}\nended with ${status}: ${output}`);
}

const isServer = (command: string) => /^(npm start|atom serve)\b(?!.*--help)/.test(command);

describe.each(documents.filter((document) => shownBlocks(document).length > 0))('%s', (document) => {
  let clone: string;
  beforeAll(() => {
    clone = cloneFor(document);
  });
  /** The last one started; what follows in the document may talk to it. */
  let server: Served | undefined;
  afterAll(async () => server?.end());

  const blocks = shownBlocks(document);
  const commands = blocks.flatMap((block, number) =>
    block.filter((each) => each.run !== undefined).map((each) => ({ ...each, number, run: each.run! })),
  );
  const folders = new Map<number, string>();

  test.each(commands)('$shown', async ({ number, run: command }) => {
    const cwd = folders.get(number) ?? clone;
    const [, folder] = /^cd (\S+)$/.exec(command) ?? [];
    if (folder !== undefined) {
      folders.set(number, join(cwd, folder));
      return expect(readdirSync(join(cwd, folder)).length).toBeGreaterThan(0);
    }
    if (isServer(command)) {
      await server?.end();
      server = undefined;
      server = await serve(command, cwd);
      return undefined;
    }
    return run(command.replaceAll('http://127.0.0.1:8000', server?.url ?? 'no server'), cwd);
  });
});

test('what is not run is listed with its reason, and still shown', () => {
  const shown = documents.flatMap((document) => shownBlocks(document).flat());
  expect(shown.length).toBeGreaterThan(40);
  for (const [command] of notRun) {
    expect([String(command), shown.filter((each) => command.test(each.shown)).length]).not.toContain(0);
  }
  for (const page of Object.keys(pagesApart)) expect(documents).toContain(page);
});
