// This package's engine beside node-llama-cpp, in one process and in turn: decode throughput of random models of one shape,
// at equal batches, or at the batches that fit the same memory.
// node compare.js [--shape 1.1b] [--layers N] [--batches 1,8,16] [--sequences 8] [--seconds 10] [--threads 2] [--json]
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { getLlama, LlamaLogLevel } from 'node-llama-cpp';
import { writeRandomGguf } from './random-gguf.js';

const built = resolve(import.meta.dirname, '../../dist');
const { nativeAddon } = await import(join(built, 'backend/cpu/native.js'));
const { Driver } = await import(join(built, 'bench/driver.js'));
const { LoadedScheme } = await import(join(built, 'bench/loaded-scheme.js'));
const { randomModelFolder } = await import(join(built, 'bench/random-model.js'));
const { schemeNamed } = await import(join(built, 'bench/schemes.js'));
const { Workload } = await import(join(built, 'bench/workload.js'));
const { randomShapes } = await import(join(built, 'checkpoint/random-checkpoint.js'));
const { packageVersion } = await import(join(built, 'server/package-version.js'));

const { values: options } = parseArgs({
  options: {
    shape: { type: 'string', default: '1.1b' },
    layers: { type: 'string' },
    batches: { type: 'string', default: '1,8,16' },
    /** Same memory: what holds so many sequences of 512 tokens beside F16 weights; 0 for no such comparison. */
    sequences: { type: 'string', default: '8' },
    'max-batch': { type: 'string', default: '64' },
    peers: { type: 'string', default: 'f16,q8_0,q4_0' },
    schemes: { type: 'string', default: 'w16a16,w8a8,w4a8,w4a4' },
    seconds: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '5' },
    threads: { type: 'string', default: '2' },
    json: { type: 'boolean', default: false },
  },
});
const [threads, seconds, rounds, maxBatch] = [
  options.threads,
  options.seconds,
  options.rounds,
  options['max-batch'],
].map(Number);
const prompt = 128;
const context = 512;
const layers = options.layers && Number(options.layers);
const config = { ...randomShapes[options.shape], ...(layers && { num_hidden_layers: layers }) };
const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'atom-llm', 'bench');
const workload = new Workload();
nativeAddon().setThreadCount(threads);
mkdirSync(cache, { recursive: true });

/** Of an F16 cache, for one sequence. */
const peerSequenceBytes =
  (2 * 2 * context * config.num_hidden_layers * config.num_key_value_heads * config.hidden_size) /
  config.num_attention_heads;

const llama = await getLlama({
  gpu: false,
  build: 'never',
  logLevel: LlamaLogLevel.error,
  maxThreads: threads,
});

const peers = options.peers
  .split(',')
  .filter(Boolean)
  .map((type) => {
    const cut = layers ? `-${layers}-layers` : '';
    const path = join(cache, `${options.shape}${cut}-${type}.gguf`);
    if (!existsSync(path)) writeRandomGguf(path, config, type);
    const { size } = statSync(path);
    return {
      name: `node-llama-cpp ${type.toUpperCase()}`,
      weightBytes: size,
      sequenceBytes: peerSequenceBytes,
      path,
    };
  });
const ours = options.schemes
  .split(',')
  .filter(Boolean)
  .map((name) => {
    const scheme = schemeNamed(name);
    const keep = { cache, toolVersion: packageVersion() };
    const folder = randomModelFolder(scheme, { shape: options.shape, layers }, keep);
    const loaded = new LoadedScheme(scheme, folder, { maxBatch });
    const sequenceBytes = loaded.sequenceBytes(context);
    return { name: loaded.name, weightBytes: loaded.weightBytes, sequenceBytes, loaded };
  });
const contenders = [...peers, ...ours];

/** Starts `batch` sequences; `run(seconds)` gives the tokens decoded and the seconds it took. */
function startOurs({ loaded }, batch) {
  const memory = loaded.weightBytes + batch * (loaded.sequenceBytes(context) + loaded.blockBytes);
  const driver = new Driver(loaded.engineIn(memory));
  for (let i = 0; i < batch; i++) {
    const tokens = workload.tokens(i, { count: prompt, vocabSize: config.vocab_size });
    driver.add({ prompt: tokens, answer: context - prompt });
  }
  while (driver.numStarting > 0) driver.step();
  return {
    run(wanted) {
      const [begin, first] = [driver.now, driver.steps.length];
      do driver.step();
      while (driver.now < begin + wanted && driver.numOpen === batch);
      const tokens = driver.steps.slice(first).reduce((sum, step) => sum + step.tokens, 0);
      return { tokens, seconds: driver.now - begin };
    },
    end: () => driver[Symbol.dispose](),
  };
}

/** Sequences that are asked for their next tokens together; node-llama-cpp makes one batch of them. */
async function startPeer({ path }, batch) {
  const model = await llama.loadModel({ modelPath: path });
  const state = await model.createContext({
    sequences: batch,
    contextSize: context,
    batchSize: 512,
    threads,
    flashAttention: true,
  });
  const streams = Array.from({ length: batch }, (_, i) => {
    const tokens = [...workload.tokens(i, { count: prompt, vocabSize: config.vocab_size })];
    return state.getSequence().evaluate(tokens, { temperature: 0, yieldEogToken: true });
  });
  const step = () => Promise.all(streams.map((stream) => stream.next()));
  let made = 1;
  await step();
  return {
    async run(wanted) {
      const begin = performance.now();
      const first = made;
      do {
        await step();
        made++;
      } while (performance.now() < begin + 1000 * wanted && made < context - prompt);
      return { tokens: (made - first) * batch, seconds: (performance.now() - begin) / 1000 };
    },
    async end() {
      for (const stream of streams) await stream.return();
      await state.dispose();
      await model.dispose();
    },
  };
}

/** All in turn; tokens a second of each. */
async function measure(entries) {
  const running = [];
  for (const { contender, batch } of entries) {
    running.push(await (contender.loaded ? startOurs(contender, batch) : startPeer(contender, batch)));
  }
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

function print(title, rows) {
  if (options.json) return;
  console.log(`\n${title}`);
  for (const { name, batch, tokensPerSecond } of rows) {
    console.log(
      `${name.padEnd(22)} ${String(batch).padStart(4)} ${tokensPerSecond.toFixed(1).padStart(9)} tokens/s`,
    );
  }
}

const byBatch = [];
for (const batch of options.batches.split(',').filter(Boolean).map(Number)) {
  const rows = await measure(contenders.map((contender) => ({ contender, batch })));
  byBatch.push(...rows);
  print(`${batch} sequences`, rows);
}
let sameMemory;
const widest = peers.find(({ name }) => name.endsWith(' F16'));
if (Number(options.sequences) > 0 && widest) {
  const memory = widest.weightBytes + Number(options.sequences) * peerSequenceBytes;
  const fitting = contenders
    .map((contender) => ({
      contender,
      batch: Math.min(maxBatch, Math.floor((memory - contender.weightBytes) / contender.sequenceBytes)),
    }))
    .filter(({ batch }) => batch > 0);
  sameMemory = { memory, rows: await measure(fitting) };
  print(`each in ${(memory / 2 ** 20).toFixed(0)} MiB for weights and cache`, sameMemory.rows);
}
if (options.json) console.log(JSON.stringify({ options, byBatch, sameMemory }));
for (const { loaded } of ours) loaded[Symbol.dispose]();
await llama.dispose();
