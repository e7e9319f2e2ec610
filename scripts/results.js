// Draws docs/results.md from the files of results/, and measures those files anew.
//   npm run results                        the page, its drawings, the README's figures
//   npm run results -- --run http,serve    measure these (or: all), write their files, then the page
//   npm run results -- --list              the names there are
// --short runs everything in its shortest form; --results and --docs name other folders than results/ and docs/.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { runs } from './results/runs.js';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
process.chdir(root);
const built = (file) => import(join(root, 'dist', file));
const { checkResult, parseResult, resultText } = await built('report/results/result-file.js');
const { thisMachine } = await built('cli/machine.js');
const { packageVersion } = await built('server/package-version.js');
const { documentsOf } = await built('report/results/documents.js');
const { withHeadlines } = await built('report/results/headlines.js');

const { values: options } = parseArgs({
  options: {
    run: { type: 'string', default: '' },
    list: { type: 'boolean', default: false },
    short: { type: 'boolean', default: false },
    results: { type: 'string', default: join(root, 'results') },
    docs: { type: 'string', default: join(root, 'docs') },
  },
});

if (options.list) {
  for (const [name, { title }] of Object.entries(runs)) console.log(`${name.padEnd(16)} ${title}`);
  process.exit();
}
const names = options.run === 'all' ? Object.keys(runs) : options.run.split(',').filter(Boolean);
const unknown = names.filter((name) => runs[name] === undefined);
if (unknown.length > 0) {
  console.error(`results: no run ${unknown.join(', ')}; there are ${Object.keys(runs).join(', ')}`);
  process.exit(2);
}
mkdirSync(options.results, { recursive: true });
for (const name of names) {
  // One that fails must not cost the others their hour.
  await measure(name).catch((error) => {
    console.error(`${name}: not measured: ${error.message}`);
    process.exitCode = 1;
  });
}
draw();

/** Every file of the folder in, the page and its drawings out. */
function draw() {
  const entries = readdirSync(options.results, { withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.json'))
    .map(({ name }) => name);
  const results = files.map((file) => parseResult(readFileSync(join(options.results, file), 'utf8'), file));
  for (const [path, content] of documentsOf(results)) {
    const file = join(options.docs, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
  }
  if (resolve(options.docs) === join(root, 'docs')) {
    const readme = join(root, 'README.md');
    writeFileSync(readme, withHeadlines(readFileSync(readme, 'utf8'), results));
  }
  console.error(`results: ${join(options.docs, 'results.md')} drawn from ${files.length} files`);
}

async function measure(name) {
  const { title, kind, measure: run } = runs[name];
  const scratch = mkdtempSync(join(tmpdir(), 'atom-results-'));
  const started = performance.now();
  const date = new Date().toISOString().replace(/\.\d+Z/, 'Z');
  const commands = [];
  let peak = Number.NaN;
  /** Runs a script and gives the object it prints, if it prints one. */
  const node = async (script, args, shown = `node ${script}`) => {
    const words = [shown, ...args].join(' ').replaceAll(scratch, 'SCRATCH');
    commands.push(words);
    console.error(`${name}: ${words}`);
    const { output, peakMemory } = await outputOf(script, args);
    peak = peakMemory;
    return output.startsWith('{') || output.startsWith('[') ? JSON.parse(output) : undefined;
  };
  try {
    const data = await run({
      node,
      atom: (args) => node('bin/atom.js', [...args, '--json'], 'atom'),
      peakMemory: () => peak,
      golden: JSON.parse(readFileSync('golden/golden.json', 'utf8')),
      scratch,
      short: options.short,
    });
    const seconds = (performance.now() - started) / 1000;
    const result = checkResult(
      {
        ...{ name, title, kind, commands, version: packageVersion(), ...commit(), date, seconds },
        ...{ short: options.short, machine: thisMachine(), data },
      },
      name,
    );
    const file = join(options.results, `${name}.json`);
    writeFileSync(file, resultText(result));
    console.error(`${name}: ${seconds.toFixed(0)} s, written to ${file}`);
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

/** What a script printed, and the most memory it was seen to hold, in bytes: NaN where /proc does not say. */
async function outputOf(script, args) {
  const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  let peakMemory = Number.NaN;
  const watch = setInterval(() => {
    try {
      const [, kib] = /VmHWM:\s*(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8')) ?? [];
      if (kib) peakMemory = Number(kib) * 1024;
    } catch {
      // Not Linux, or the child is gone.
    }
  }, 200);
  child.stdout.setEncoding('utf8').on('data', (piece) => {
    output += piece;
  });
  const status = await new Promise((done, failed) => child.on('error', failed).on('close', done));
  clearInterval(watch);
  if (status !== 0) throw new Error(`${script} ended with ${status}; its output is above`);
  return { output, peakMemory };
}

/** What was measured, and whether it differs from what is committed. */
function commit() {
  const git = (...args) => {
    const { status, stdout, stderr } = spawnSync('git', args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`results: git ${args.join(' ')}: ${stderr}`);
    return stdout.trim();
  };
  const measured = ['src', 'native', 'bench', 'bin', 'models', 'binding.gyp', 'package-lock.json'];
  return {
    commit: git('rev-parse', '--short=10', 'HEAD'),
    modified: git('status', '--porcelain', '--untracked-files=no', '--', ...measured) !== '',
  };
}
