// The runs that docs/results.md is drawn from: for each the commands, and a short form of them that only shows that they
// work. What a run returns is checked by src/report/results/measurements.ts.
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';

const text = 'models/tiny-classics/test.txt';
const calibration = 'models/tiny-classics/calibration.txt';
const textOptions = ['--text', text, '--calibration', calibration];
const smallGroups = ['--group-size', '32', '--outliers', '32'];
const tiny = ['--quick'];

/**
 * `atom(args)` runs the command with --json and gives its object; `node(script, args)` runs another script; `golden` is
 * golden/golden.json; `scratch` an empty folder; `short` asks for the short form.
 * @typedef {{ atom: (args: string[]) => Promise<any>, node: (script: string, args: string[]) => Promise<any>,
 *   peakMemory: () => number, golden: any, scratch: string, short: boolean }} Bench
 * @type {Record<string, { title: string, kind: string, measure: (bench: Bench) => Promise<object> }>}
 */
export const runs = {
  ladder: {
    title: 'What each step of Atom brings',
    kind: 'ladder',
    measure: (bench) => ladder(bench, 'tiny-classics'),
  },
  'ladder-outliers': {
    title: 'The same on the twin with outliers',
    kind: 'ladder',
    measure: (bench) => ladder(bench, 'tiny-classics-outliers'),
  },
  presets: { title: 'Presets', kind: 'presets', measure: presets },
  kernels: {
    title: 'Kernels against the ceilings of the machine',
    kind: 'kernels',
    measure: ({ atom, short }) =>
      atom([
        ...['bench', 'kernels', '--operators', 'W4A4,W4A8,W8A8,W16A16,fused'],
        ...(short ? tiny : ['--shape', '7b', '--rows', '1,2,4,8,16,32,64,128,256,512']),
      ]),
  },
  decoder: {
    title: 'A whole decoder against the ceilings of the machine',
    kind: 'decoder',
    measure: ({ atom, short }) =>
      atom(['bench', 'kernels', '--model', ...(short ? tiny : ['--shape', '1.1b'])]),
  },
  gemm: {
    title: 'Dense matrix products',
    kind: 'gemm',
    measure: ({ atom }) => atom(['bench', 'gemm']),
  },
  attention: {
    title: 'Attention while decoding',
    kind: 'attention',
    measure: ({ atom, short }) => atom(['bench', 'attention', ...(short ? ['--contexts', '512,1024'] : [])]),
  },
  compare: {
    title: 'Throughput and latency against the batch and the memory',
    kind: 'curves',
    measure: ({ atom, short }) =>
      atom([
        ...['bench', 'compare'],
        ...(short ? tiny : ['--shape', '1.1b', '--batches', '1,2,4,8,16,32', '--seconds', '4']),
      ]),
  },
  serve: {
    title: 'Conversations in the same memory',
    kind: 'conversations',
    measure: ({ atom, short }) =>
      atom(['bench', 'serve', ...(short ? tiny : ['--shape', '1.1b', '--seconds', '20'])]),
  },
  prefix: {
    title: 'Prompts seen before',
    kind: 'prefix',
    measure: ({ atom, short }) => atom(['bench', 'prefix', ...(short ? tiny : ['--shape', '1.1b'])]),
  },
  http: {
    title: 'bundled model, W4A4 KV4',
    kind: 'http',
    measure: ({ atom, short }) =>
      atom([
        'bench',
        'http',
        '--threads',
        '1',
        '--rounds',
        short ? '2' : '16',
        ...(short ? ['--tokens', '16'] : []),
      ]),
  },
  'http-1.1b': {
    title: 'random 1.1B, W4A4 KV4',
    kind: 'http',
    measure: ({ atom, short }) =>
      atom([
        ...['bench', 'http', '--shape', short ? 'tiny' : '1.1b', '--streams', '16'],
        ...(short ? ['--tokens', '16', '--rounds', '2'] : ['--tokens', '64', '--rounds', '6']),
      ]),
  },
  peers: {
    title: 'Beside node-llama-cpp',
    kind: 'peers',
    measure: (bench) => peers(bench, ['--sequences', '0'], ['--batches', '1,8,16', '--seconds', '5']),
  },
  'peers-memory': {
    title: 'Beside node-llama-cpp in the same memory',
    kind: 'peers',
    measure: (bench) =>
      peers(
        bench,
        ['--no-prefill', '--batches='],
        ['--sequences', '8', '--max-batch', '32', '--seconds', '8'],
      ),
  },
  quantize: { title: 'Quantizing 1.1B', kind: 'quantization', measure: quantization },
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

function peers({ node, short }, common, long) {
  const size = short
    ? '--shape tiny --layers 2 --seconds 0.2 --rounds 2 --max-batch 4'.split(' ')
    : ['--shape', '1.1b'];
  const few = common.includes('--no-prefill') ? ['--sequences', '2'] : ['--batches', '1,4'];
  return node('bench/peers/compare.js', ['--json', ...common, ...size, ...(short ? few : long)]);
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
  const [shape, layers] = short ? ['tiny', '2'] : ['1.1b', '6'];
  await node('scripts/random-checkpoint.js', ['--shape', shape, '--layers', layers, '--out', model]);
  copyFileSync(calibration, join(model, 'calibration.txt'));
  const options = ['--out', join(scratch, 'quantized'), '--no-report', ...(short ? ['--samples', '1'] : [])];
  const facts = await atom(['quantize', model, ...options]);
  const name = shape === '1.1b' ? '1.1B' : shape;
  const samples = short ? '1 sample of 512 tokens' : '32 samples of 512 tokens';
  return { ...facts, model: { ...facts.model, name }, samples, peakMemory: peakMemory() };
}
