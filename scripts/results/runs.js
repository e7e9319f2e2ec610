// The runs that docs/results.md is drawn from, those first that tell most: for each the commands, and a short form of them
// that only shows that they work. What a run returns is checked by src/report/results/measurements.ts.
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';

const text = 'models/tiny-classics/test.txt';
const calibration = 'models/tiny-classics/calibration.txt';
const textOptions = ['--text', text, '--calibration', calibration];
const smallGroups = ['--group-size', '32', '--outliers', '32'];
const tiny = ['--quick'];
/** A prompt is read in pieces beside the others' tokens, so that they do not wait for all of it. */
const steps = ['--fitting', '--step-tokens', '96'];

/**
 * `atom(args)` runs the command with --json and gives its object; `node(script, args)` runs another script; `golden` is
 * golden/golden.json; `scratch` an empty folder; `short` asks for the short form. `minutes` is what a run takes on two cores
 * of a server's processor with AMX.
 * @typedef {{ atom: (args: string[]) => Promise<any>, node: (script: string, args: string[]) => Promise<any>,
 *   peakMemory: () => number, golden: any, scratch: string, short: boolean }} Bench
 * @type {Record<string, { title: string, kind: string, minutes: number, measure: (bench: Bench) => Promise<object> }>}
 */
export const runs = {
  kernels: {
    title: 'Kernels against the ceilings of the machine',
    kind: 'kernels',
    minutes: 3,
    measure: ({ atom, short }) =>
      atom([
        ...['bench', 'kernels', '--operators', 'W4A4,W4A8,W8A8,W4A16,W16A16,sgemm,fused'],
        ...(short ? tiny : ['--shape', '7b', '--rows', '1,16,64,128,512']),
      ]),
  },
  decoder: {
    title: 'A whole decoder against the ceilings of the machine',
    kind: 'decoder',
    minutes: 1.5,
    measure: ({ atom, short }) =>
      atom([
        ...['bench', 'kernels', '--model'],
        ...(short ? tiny : ['--shape', '1.1b', '--prefill', '512', '--batches', '1,16,64']),
      ]),
  },
  'compare-7b': {
    title: '8 layers of 7B, no grouped queries',
    kind: 'curves',
    minutes: 7,
    measure: ({ atom, short }) =>
      atom([
        ...['bench', 'compare', '--schemes', 'w16a16,w8a8,w4a8,w4a4'],
        ...(short
          ? tiny
          : ['--shape', '7b', '--layers', '8', '--batches', '1,4,8,16,32,64', '--seconds', '4', ...steps]),
      ]),
  },
  peers: {
    title: 'Beside node-llama-cpp',
    kind: 'peers',
    minutes: 5,
    measure: (bench) =>
      peers(bench, ['--sequences', '0'], '--batches 1,16 --seconds 6 --rounds 3', '--batches 1,4'),
  },
  compare: {
    title: '1.1B, 4 key heads of 32',
    kind: 'curves',
    minutes: 7,
    measure: ({ atom, short }) =>
      atom([
        ...['bench', 'compare'],
        ...(short ? tiny : ['--shape', '1.1b', '--batches', '1,4,8,16,32,64', '--seconds', '3', ...steps]),
      ]),
  },
  'peers-memory': {
    title: 'Beside node-llama-cpp in the same memory',
    kind: 'peers',
    minutes: 3,
    measure: (bench) =>
      peers(
        bench,
        [...inMemory, '--schemes', 'w16a16,w8a8,w4a4'],
        '--sequences 8 --max-batch 112 --seconds 8 --rounds 3',
        '--sequences 2',
      ),
  },
  'peers-memory-7b': {
    title: 'Beside node-llama-cpp in the same memory, 8 layers of 7B',
    kind: 'peers',
    minutes: 3,
    measure: (bench) =>
      peers(
        bench,
        [...inMemory, '--schemes', 'w16a16,w4a4'],
        '--shape 7b --layers 8 --sequences 8 --max-batch 112 --seconds 8 --rounds 3',
        '--sequences 2',
      ),
  },
  attention: {
    title: 'Attention while decoding',
    kind: 'attention',
    minutes: 2.5,
    measure: ({ atom, short }) => atom(['bench', 'attention', ...(short ? ['--contexts', '512,1024'] : [])]),
  },
  prefix: {
    title: 'Prompts seen before',
    kind: 'prefix',
    minutes: 1.5,
    measure: ({ atom, short }) =>
      atom(['bench', 'prefix', ...(short ? tiny : ['--shape', '1.1b', '--prompt', '1500', '--rounds', '3'])]),
  },
  http: {
    title: 'bundled model, W4A4 KV4',
    kind: 'http',
    minutes: 2,
    measure: ({ atom, short }) =>
      atom([
        ...['bench', 'http', '--threads', '1', '--streams', '64'],
        ...(short ? ['--tokens', '16', '--rounds', '2'] : ['--tokens', '128', '--rounds', '12']),
      ]),
  },
  'http-1.1b': {
    title: 'random 1.1B, W4A4 KV4',
    kind: 'http',
    minutes: 1.5,
    measure: ({ atom, short }) =>
      atom([
        ...['bench', 'http', '--shape', short ? 'tiny' : '1.1b', '--streams', '16'],
        ...(short ? ['--tokens', '16', '--rounds', '2'] : ['--tokens', '64', '--rounds', '6']),
      ]),
  },
  serve: {
    title: 'Conversations in the same memory',
    kind: 'conversations',
    minutes: 5.5,
    measure: ({ atom, short }) =>
      atom([
        ...['bench', 'serve', '--schemes', 'w16a16,w8a8,w4a4'],
        ...(short ? tiny : ['--shape', '1.1b', '--seconds', '40']),
      ]),
  },
  gemm: {
    title: 'Dense matrix products',
    kind: 'gemm',
    minutes: 1.5,
    measure: ({ atom }) => atom(['bench', 'gemm']),
  },
  quantize: { title: 'Quantizing 1.1B', kind: 'quantization', minutes: 4, measure: quantization },
  ladder: {
    title: 'What each step of Atom brings',
    kind: 'ladder',
    minutes: 8,
    measure: (bench) => ladder(bench, 'tiny-classics'),
  },
  'ladder-outliers': {
    title: 'The same on the twin with outliers',
    kind: 'ladder',
    minutes: 8,
    measure: (bench) => ladder(bench, 'tiny-classics-outliers'),
  },
  presets: { title: 'Presets', kind: 'presets', minutes: 6, measure: presets },
};

/** With the figures of Atom's published code beside, where it has the step. */
async function ladder({ atom, golden, short }, model) {
  const result = await atom([
    ...['eval', `models/${model}`, '--ablation', ...smallGroups, '--window', '512', ...textOptions],
    ...(short ? ['--samples', '1'] : []),
  ]);
  const published = golden.ladder[model];
  const steps = Object.entries(published);
  const rows = result.rows.map((row, index) => {
    const [name, perplexity] = steps[index] ?? [];
    return isSameStep(row.name, name) ? { ...row, golden: perplexity } : row;
  });
  return { ...result, model, rows };
}

/** 'RTN W4A4, per token ...' and 'RTN, per token ...' are the same step. */
function isSameStep(ours, published = '') {
  const [first] = ours.split(',');
  return published.startsWith(first.replace(/ \(.*/, ''));
}

/** Q4_0 is no yardstick there, and filling its many sequences takes longest of all. */
const inMemory = ['--no-prefill', '--batches=', '--peers', 'f16,q8_0'];

function peers({ node, short }, common, long, few) {
  const size = short
    ? `--shape tiny --layers 2 --seconds 0.2 --rounds 2 --max-batch 4 ${few}`
    : `${long.includes('--shape') ? '' : '--shape 1.1b '}${long}`;
  return node('bench/peers/compare.js', ['--json', ...common, ...size.split(' ')]);
}

/** Every preset as a checkpoint, scored as it runs and in f32. */
async function presets({ atom, scratch, short }) {
  const model = 'models/tiny-classics';
  const all = await atom(['quantize', '--list']);
  const made = [];
  for (const { name, description } of short ? all.slice(0, 2) : all) {
    const folder = join(scratch, name.replace(':', '-of-'));
    const options = ['--preset', name, '--out', folder, '--no-report', ...(short ? ['--samples', '1'] : [])];
    const { averageBits, sizes, seconds } = await atom(['quantize', model, ...options]);
    const { quantization } = await atom(['inspect', folder]);
    const [, runsHow] = quantization.lines.find(([line]) => line === 'runs');
    const hasKernels = !runsHow.startsWith('only simulated');
    made.push({ name, description, bits: averageBits, bytes: sizes.after, seconds, folder, hasKernels });
  }
  const score = ['--ppl', '--window', '512', '--text', text, ...(short ? ['--limit', '4'] : [])];
  const compare = async (some, how) => {
    const folders = some.map(({ folder }) => folder);
    const { models } = await atom(['eval', model, '--compare', ...folders, ...score, ...how]);
    return models;
  };
  const executable = made.filter(({ hasKernels }) => hasKernels);
  const executed = await compare(executable, []);
  const [plain, ...simulated] = await compare(made, ['--simulate', '--compute', 'f32']);
  const [{ window, tokens, perplexity, interval }] = plain.texts;
  return {
    ...{ model: 'tiny-classics', text: 'test.txt', window, tokens },
    baseline: { perplexity, interval, bytes: plain.bytes },
    presets: made.map(({ folder, hasKernels, ...preset }, index) => ({
      ...preset,
      simulated: scoreOf(simulated[index]),
      ...(hasKernels && { executed: scoreOf(executed.find((each) => each.model === folder)) }),
    })),
  };
}

function scoreOf({ texts: [{ perplexity, interval }], changes: [{ ratio, interval: changeInterval }] }) {
  return { perplexity, interval, change: ratio, changeInterval };
}

/** Random weights: only time and memory are measured. */
async function quantization({ atom, node, peakMemory, scratch, short }) {
  const model = join(scratch, 'random');
  const [shape, layers] = short ? ['tiny', '2'] : ['1.1b', '4'];
  await node('scripts/random-checkpoint.js', ['--shape', shape, '--layers', layers, '--out', model]);
  copyFileSync(calibration, join(model, 'calibration.txt'));
  const options = ['--out', join(scratch, 'quantized'), '--no-report', ...(short ? ['--samples', '1'] : [])];
  const facts = await atom(['quantize', model, ...options]);
  const name = shape === '1.1b' ? '1.1B' : shape;
  const samples = short ? '1 sample of 512 tokens' : '32 samples of 512 tokens';
  return { ...facts, model: { ...facts.model, name }, samples, peakMemory: peakMemory() };
}
