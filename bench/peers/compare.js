// This package's engine beside node-llama-cpp, in one process and in turn, over random models of one shape: reading prompts,
// decoding at equal batches, and decoding at the batches that fit the same memory.
// node compare.js [--shape 1.1b] [--layers N] [--batches 1,8,16] [--sequences 8] [--seconds 10] [--threads 2] [--json]
import { parseArgs } from 'node:util';
import { contendersOf, context, longPrompt } from './contenders.js';

const { values: options } = parseArgs({
  options: {
    shape: { type: 'string', default: '1.1b' },
    layers: { type: 'string' },
    /** Empty for no comparison at equal batches. */
    batches: { type: 'string', default: '1,8,16' },
    /** Same memory: what holds so many sequences of 512 tokens beside F16 weights; 0 for no such comparison. */
    sequences: { type: 'string', default: '8' },
    'max-batch': { type: 'string', default: '64' },
    peers: { type: 'string', default: 'f16,q8_0,q4_0' },
    schemes: { type: 'string', default: 'w16a16,w8a8,w4a8,w4a4' },
    'no-prefill': { type: 'boolean', default: false },
    seconds: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '5' },
    threads: { type: 'string', default: '2' },
    json: { type: 'boolean', default: false },
  },
});
const listOf = (text) => text.split(',').filter(Boolean);
const [seconds, rounds, maxBatch] = [options.seconds, options.rounds, options['max-batch']].map(Number);

const all = await contendersOf({
  shape: options.shape,
  layers: options.layers && Number(options.layers),
  peers: listOf(options.peers),
  schemes: listOf(options.schemes),
  threads: Number(options.threads),
  maxBatch,
});
const contenders = all.filter(({ name }) => name);
const { peer } = all.at(-1);
if (peer && !options.json) console.log(`node-llama-cpp ${peer.version}, its build for ${peer.build}`);

/** All in turn; tokens a second of each. */
async function measure(entries, start) {
  const running = [];
  for (const entry of entries) running.push(await start(entry));
  const totals = entries.map(() => ({ tokens: 0, seconds: 0 }));
  for (let round = 0; round < rounds; round++) {
    for (const [i, each] of running.entries()) {
      const { tokens, seconds: took } = await each.run(seconds / rounds);
      totals[i].tokens += tokens;
      totals[i].seconds += took;
    }
  }
  for (const each of running) await each.end();
  return entries.map(({ contender, batch }, i) => ({
    name: contender.name,
    batch,
    tokensPerSecond: totals[i].tokens / totals[i].seconds,
  }));
}

const decode = (entries) => measure(entries, ({ contender, batch }) => contender.decode(batch));

/** Ours have a column for each peer: how many times as fast. */
function print(title, rows) {
  if (options.json) return;
  const peers = rows.filter(({ name }) => name.startsWith('node-llama-cpp'));
  const heads = peers.map(({ name }) => `of ${name.split(' ')[1]}`.padStart(9));
  console.log(`\n${title.padEnd(27)}  tokens/s ${heads.join('')}`);
  for (const row of rows) {
    const ratios = peers.includes(row)
      ? []
      : peers.map((peer) => `${(row.tokensPerSecond / peer.tokensPerSecond).toFixed(2)}x`.padStart(9));
    console.log(
      `${row.name.padEnd(22)} ${String(row.batch).padStart(4)} ${row.tokensPerSecond.toFixed(1).padStart(9)} ${ratios.join('')}`,
    );
  }
}

let prefill;
if (!options['no-prefill']) {
  prefill = await measure(
    contenders.map((contender) => ({ contender, batch: 1 })),
    ({ contender }) => contender.prefill(),
  );
  print(`prompts of ${longPrompt} tokens`, prefill);
}
const byBatch = [];
for (const batch of listOf(options.batches).map(Number)) {
  const rows = await decode(contenders.map((contender) => ({ contender, batch })));
  byBatch.push(...rows);
  print(batch === 1 ? '1 sequence' : `${batch} sequences`, rows);
}
let sameMemory;
const widest = contenders.find(({ name }) => name.endsWith(' F16'));
if (Number(options.sequences) > 0 && widest) {
  const memory = widest.weightBytes + Number(options.sequences) * widest.sequenceBytes;
  const fitting = contenders
    .map((contender) => ({
      contender,
      batch: Math.min(maxBatch, Math.floor((memory - contender.weightBytes) / contender.sequenceBytes)),
    }))
    .filter(({ batch }) => batch > 0);
  sameMemory = { memory, context, rows: await decode(fitting) };
  print(`each in ${(memory / 2 ** 20).toFixed(0)} MiB`, sameMemory.rows);
}
if (options.json) console.log(JSON.stringify({ options, peer, prefill, byBatch, sameMemory }));
for (const each of all) await each.end();
