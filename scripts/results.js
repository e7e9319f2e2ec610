// Draws docs/results.md from the files of results/, and measures those files anew.
//   npm run results                        the page, its drawings, the README's figures
//   npm run results -- --run http,serve    measure these (or: all), write their files, then the page
//   npm run results -- --measure           all that are not of this commit and machine yet, the telling ones first
//   npm run results -- --measure --minutes 50    of these what fits into the time
//   npm run results -- --list              the names there are, and the minutes they take
// --short runs everything in its shortest form; --results and --docs name other folders than results/ and docs/.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
process.chdir(root);
// Built by `npm run` before this begins; what is not there yet must not be asked for before.
const { expectedMinutes, isCurrent, measure } = await import('./results/measure.js');
const { runs } = await import('./results/runs.js');
const { parseResult } = await import('../dist/report/results/result-file.js');
const { documentsOf } = await import('../dist/report/results/documents.js');
const { withHeadlines } = await import('../dist/report/results/headlines.js');

const { values: options } = parseArgs({
  options: {
    run: { type: 'string', default: '' },
    measure: { type: 'boolean', default: false },
    minutes: { type: 'string', default: 'Infinity' },
    list: { type: 'boolean', default: false },
    short: { type: 'boolean', default: false },
    results: { type: 'string', default: join(root, 'results') },
    docs: { type: 'string', default: join(root, 'docs') },
  },
});

if (options.list) {
  for (const [name, { title, minutes }] of Object.entries(runs))
    console.log(`${name.padEnd(16)} ${String(minutes).padStart(4)} min  ${title}`);
  process.exit();
}
const asked = options.run === 'all' ? Object.keys(runs) : options.run.split(',').filter(Boolean);
const unknown = asked.filter((name) => runs[name] === undefined);
if (unknown.length > 0) fail(`no run ${unknown.join(', ')}; there are ${Object.keys(runs).join(', ')}`);
const limit = Number(options.minutes);
if (!(limit > 0)) fail(`--minutes ${options.minutes}: not a number of minutes`);
mkdirSync(options.results, { recursive: true });
await measureAll(options.measure ? waiting() : asked);
draw();

/** Runs whose file is not of what lies here now. */
function waiting() {
  const names = Object.keys(runs).filter((name) => {
    const before = resultOf(name);
    return before === undefined || !isCurrent(before);
  });
  const made = Object.keys(runs).length - names.length;
  if (made > 0) say(`${made} of ${Object.keys(runs).length} are of this commit already`);
  return names;
}

async function measureAll(names) {
  const begin = performance.now();
  const elapsed = () => (performance.now() - begin) / 60_000;
  const expected = new Map(
    names.map((name) => [name, options.short ? 0.2 : expectedMinutes(name, resultOf(name))]),
  );
  let done = 0;
  for (const name of names) {
    const minutes = expected.get(name);
    if (elapsed() + minutes > limit) {
      say(`${name} is left out: it takes ${text(minutes)}, and ${text(limit - elapsed())} are left`);
    } else {
      const left = [...expected.values()].reduce((sum, each) => sum + each, 0);
      say(`${++done} of ${names.length}, ${name}: about ${text(minutes)}; ${text(left)} of work left`);
      const started = performance.now();
      const beat = setInterval(() => {
        say(`${name}: ${text((performance.now() - started) / 60_000)} of about ${text(minutes)}`);
      }, 60_000);
      // One that fails must not cost the others their hour.
      await measure(name, {
        folder: options.results,
        short: options.short,
        say: (line) => console.error(`${name}: ${line}`),
      }).catch((error) => {
        console.error(`${name}: not measured: ${error.message}`);
        process.exitCode = 1;
      });
      clearInterval(beat);
    }
    expected.delete(name);
  }
}

/** Every file of the folder in, the page and its drawings out. */
function draw() {
  const entries = readdirSync(options.results, { withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.json'))
    .map(({ name }) => name);
  const results = files.map((file) => parseResult(readFileSync(join(options.results, file), 'utf8'), file));
  const documents = documentsOf(results);
  for (const [path, content] of documents) {
    const file = join(options.docs, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
  }
  // A result of another shape has other drawings: those of before would be nobody's.
  const drawings = join(options.docs, 'images', 'results');
  for (const name of existsSync(drawings) ? readdirSync(drawings) : []) {
    if (!documents.has(`images/results/${name}`)) rmSync(join(drawings, name));
  }
  if (resolve(options.docs) === join(root, 'docs')) {
    const readme = join(root, 'README.md');
    writeFileSync(readme, withHeadlines(readFileSync(readme, 'utf8'), results));
  }
  say(`${join(options.docs, 'results.md')} drawn from ${files.length} files`);
}

/** What was measured before; nothing where there is no such file, or none that can be read. */
function resultOf(name) {
  const file = join(options.results, `${name}.json`);
  if (!existsSync(file)) return undefined;
  try {
    return parseResult(readFileSync(file, 'utf8'), file);
  } catch {
    return undefined;
  }
}

function text(minutes) {
  return minutes < 1 ? `${Math.round(60 * minutes)} s` : `${minutes.toFixed(1).replace('.0', '')} min`;
}

function say(line) {
  console.error(`results: ${line}`);
}

function fail(line) {
  say(line);
  process.exit(2);
}
