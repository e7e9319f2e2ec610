// `npm run results -- --run`: what the commands print is what the page is drawn from.
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { parseResult } from '../../src/report/results/result-file.ts';
import { nightly } from '../nightly.ts';

const root = resolve(import.meta.dirname, '../..');
const scratch = mkdtempSync(join(tmpdir(), 'atom-results-test-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const [results, docs] = [join(scratch, 'results'), join(scratch, 'docs')];

async function run(...args: string[]): Promise<{ status: number | null; stderr: string }> {
  const script = join(root, 'scripts/results.js');
  const child = spawn(process.execPath, [script, ...args, '--results', results, '--docs', docs], {
    env: { ...process.env, XDG_CACHE_HOME: scratch },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (piece: string) => (stderr += piece));
  const status = await new Promise<number | null>((done, failed) =>
    child.on('error', failed).on('close', done),
  );
  return { status, stderr };
}

const measured = ['compare', 'serve', 'kernels', 'decoder', 'quantize'];
if (nightly) measured.push('compare-7b', 'presets');

test('measures in short, and says that it was short', { timeout: 300_000 }, async () => {
  const { status, stderr } = await run('--run', measured.join(','), '--short');
  expect(status, stderr).toBe(0);
  const page = readFileSync(join(docs, 'results.md'), 'utf8');
  for (const name of measured) {
    const result = parseResult(readFileSync(join(results, `${name}.json`), 'utf8'), name);
    expect(result).toMatchObject({ name, short: true, version: expect.stringMatching(/^\d/) });
    expect(result.commands[0]).toMatch(/^(atom|node scripts\/)/);
    expect(page).toContain(`results/${name}.json`);
  }
  expect(page.match(/A short run/g)).toHaveLength(measured.length);
  expect(readFileSync(join(docs, 'images/results/compare.svg'), 'utf8')).toMatch(
    /^<svg [^>]*>[\s\S]*<\/svg>\n$/,
  );
});

test('a run that fails costs the others nothing', async () => {
  // The first run finds no room for its file; the second does.
  mkdirSync(join(results, 'http.json'), { recursive: true });
  const { status, stderr } = await run('--run', 'http,decoder', '--short');
  rmSync(join(results, 'http.json'), { recursive: true });
  expect(status).toBe(1);
  // Quantizing the bundled model for the first time says so elsewhere than in the JSON.
  expect(stderr).toMatch(/quantizing .* once; kept in/);
  expect(stderr).toMatch(/http: not measured: .*EISDIR/);
  expect(stderr).toMatch(/decoder: \d+ s, written to/);
});

test('a run that there is not is refused with those that there are', async () => {
  const { status, stderr } = await run('--run', 'poem');
  expect(status).toBe(2);
  expect(stderr).toMatch(/no run poem; there are kernels, /);
});

test('measures in order what fits into the minutes, and says what it leaves out', async () => {
  const { status, stderr } = await run('--measure', '--short', '--minutes', '0.001');
  expect(status, stderr).toBe(0);
  expect(stderr).toMatch(/kernels is left out: it takes 12 s, and 0 s are left/);
  expect(stderr).not.toMatch(/measured|written/);
  const { status: wrong } = await run('--measure', '--minutes', 'many');
  expect(wrong).toBe(2);
});

test('a result is current on its machine as long as nothing it was measured from has changed', async () => {
  const clone = mkdtempSync(join(scratch, 'clone-'));
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b.c', ...args], {
      cwd: clone,
      encoding: 'utf8',
    });
  const commit = () => {
    git('add', '-A');
    git('commit', '-qm', 'x');
    return git('rev-parse', 'HEAD').trim();
  };
  git('init', '-q');
  mkdirSync(join(clone, 'src/report'), { recursive: true });
  writeFileSync(join(clone, 'src/a.ts'), '1');
  const first = commit();
  const isCurrent = (change: object) => {
    const script = `
      import { isCurrent, expectedMinutes } from ${JSON.stringify(pathToFileURL(join(root, 'scripts/results/measure.js')).href)};
      import { thisMachine } from ${JSON.stringify(pathToFileURL(join(root, 'dist/cli/machine.js')).href)};
      const result = { commit: '${first}', modified: false, short: false, seconds: 600, machine: thisMachine(), ...${JSON.stringify(change)} };
      console.log(isCurrent(result), expectedMinutes('http', result));`;
    const args = ['--input-type=module', '-e', script];
    return execFileSync(process.execPath, args, { cwd: clone, encoding: 'utf8' }).trim();
  };
  expect(isCurrent({})).toBe('true 10');
  expect(isCurrent({ short: true })).toBe('false 2');
  expect(isCurrent({ modified: true })).toMatch(/^false/);
  expect(isCurrent({ machine: { processor: 'another' } })).toBe('false 2');
  expect(isCurrent({ commit: '0123456789' })).toMatch(/^false/);
  // Pages may change.
  writeFileSync(join(clone, 'README.md'), '2');
  writeFileSync(join(clone, 'src/report/page.ts'), '2');
  commit();
  expect(isCurrent({})).toMatch(/^true/);
  writeFileSync(join(clone, 'src/a.ts'), '2');
  expect(isCurrent({})).toMatch(/^false/);
  commit();
  expect(isCurrent({})).toMatch(/^false/);
});
