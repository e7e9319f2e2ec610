// One run of runs.js, measured: its commands in turn, what they print checked and written as a file of results/.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { thisMachine } from '../../dist/cli/machine.js';
import { packageVersion } from '../../dist/package-version.js';
import { checkResult, resultText } from '../../dist/report/results/result-file.js';
import { runs } from './runs.js';

/** What figures depend on; how they are drawn is not among it, and neither are tests. */
const sources = ['src', 'native', 'bench', 'bin', 'models', 'binding.gyp', 'package-lock.json'];
const measured = [...sources, ':(exclude)src/report'];

/** Writes `folder`/NAME.json; `say` is told each command. Throws what the run throws, and `bad-result`. */
export async function measure(name, { folder, short, say }) {
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
    say(words);
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
      ...{ scratch, short },
    });
    const seconds = (performance.now() - started) / 1000;
    const result = checkResult(
      {
        ...{ name, title, kind, commands, version: packageVersion(), ...commit(), date, seconds },
        ...{ short, machine: thisMachine(), data },
      },
      name,
    );
    const file = join(folder, `${name}.json`);
    writeFileSync(file, resultText(result));
    say(`${seconds.toFixed(0)} s, written to ${file}`);
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

function git(...args) {
  const { status, stdout, stderr } = spawnSync('git', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`results: git ${args.join(' ')}: ${stderr}`);
  return stdout.trim();
}

const changed = () => git('status', '--porcelain', '--untracked-files=no', '--', ...measured) !== '';

/** What is measured, and whether it differs from what is committed. */
const commit = () => ({ commit: git('rev-parse', '--short=10', 'HEAD'), modified: changed() });

/** Whether a result is of what lies here now: the machine, and every source that figures depend on. */
export function isCurrent({ commit: of, modified, short, machine }) {
  if (short || modified || changed()) return false;
  const here = thisMachine();
  if (machine.processor !== here.processor || machine.instructionSet !== here.instructionSet) return false;
  // A commit that this clone does not have is none of its own.
  return spawnSync('git', ['diff', '--quiet', of, 'HEAD', '--', ...measured]).status === 0;
}

/** Minutes that a run will take: as long as it took on this machine, or what runs.js expects. */
export function expectedMinutes(name, before) {
  const isOurs = before && !before.short && before.machine.processor === thisMachine().processor;
  return isOurs ? before.seconds / 60 : runs[name].minutes;
}
