// The engines that are compared, behind one face: `decode(batch)` starts so many sequences, `prefill()` reads prompts; what
// either gives can be run for some seconds, any number of times, and ended.
// All get the same tokens: prompts of random ids, answers without temperature.
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { getLlama, LlamaLogLevel } from 'node-llama-cpp';
import { writeRandomGguf } from './random-gguf.js';

const installed = new URL('node_modules/node-llama-cpp/', import.meta.url);
const built = resolve(import.meta.dirname, '../../dist');
const { nativeAddon } = await import(join(built, 'backend/cpu/native.js'));
const { Driver } = await import(join(built, 'bench/driver.js'));
const { LoadedScheme } = await import(join(built, 'bench/loaded-scheme.js'));
const { randomModelFolder } = await import(join(built, 'bench/random-model.js'));
const { schemeNamed } = await import(join(built, 'bench/schemes.js'));
const { Workload } = await import(join(built, 'bench/workload.js'));
const { randomShapes } = await import(join(built, 'checkpoint/random-checkpoint.js'));
const { packageVersion } = await import(join(built, 'package-version.js'));

/** Tokens of a sequence that decodes: computed before the clock runs, and with its answer. */
const prompt = 128;
export const context = 512;
/** Tokens of a prompt whose reading is measured. */
export const longPrompt = 512;

const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'atom-llm', 'bench');
const workload = new Workload();

/** Contenders of one shape; the peers first. */
export async function contendersOf({ shape, layers, peers, schemes, threads, maxBatch }) {
  nativeAddon().setThreadCount(threads);
  mkdirSync(cache, { recursive: true });
  const config = { ...randomShapes[shape], ...(layers && { num_hidden_layers: layers }) };
  const options = { gpu: false, build: 'never', logLevel: LlamaLogLevel.error, maxThreads: threads };
  const llama = peers.length > 0 ? await getLlama(options) : undefined;
  return [
    ...peers.map((type) => peerOf(llama, { shape, layers, config, type, threads })),
    ...schemes.map((name) => oursOf({ shape, layers, config, name, maxBatch })),
    { end: () => llama?.dispose(), ...(llama && { peer: factsOf(llama) }) },
  ];
}

/** Which of its builds for this processor was chosen, and what that says it uses. */
function factsOf({ systemInfo, llamaCppRelease: { release } }) {
  const [, build = 'unknown'] = /libggml-cpu-(\w+)\.so/.exec(readFileSync('/proc/self/maps', 'utf8')) ?? [];
  const features = [...systemInfo.matchAll(/(\w+) = 1/g)].map(([, name]) => name);
  const { version } = JSON.parse(readFileSync(new URL('package.json', installed), 'utf8'));
  return { version, release, build, features };
}

function oursOf({ shape, layers, config, name, maxBatch }) {
  const scheme = schemeNamed(name);
  const folder = randomModelFolder(scheme, { shape, layers }, { cache, toolVersion: packageVersion() });
  const loaded = new LoadedScheme(scheme, folder, { maxBatch });
  const tokens = (index, count) => workload.tokens(index, { count, vocabSize: config.vocab_size });
  const driverFor = (sequences, length) =>
    new Driver(loaded.engineIn(loaded.weightBytes + sequences * loaded.sequenceBytes(length)));
  return {
    name: loaded.name,
    weightBytes: loaded.weightBytes,
    sequenceBytes: loaded.sequenceBytes(context),
    async decode(batch) {
      const driver = driverFor(batch, context);
      for (let i = 0; i < batch; i++) driver.add({ prompt: tokens(i, prompt), answer: context - prompt });
      while (driver.numStarting > 0) driver.step();
      return {
        async run(wanted) {
          const [begin, first] = [driver.now, driver.steps.length];
          // Nobody is followed by a new one: what is measured ends with the first answer.
          while (driver.now < begin + wanted && driver.numOpen === batch) driver.step();
          const made = driver.steps.slice(first).reduce((sum, step) => sum + step.tokens, 0);
          return { tokens: made, seconds: driver.now - begin };
        },
        end: async () => driver[Symbol.dispose](),
      };
    },
    async prefill() {
      const driver = driverFor(1, longPrompt + 1);
      return {
        async run(wanted) {
          const [begin, first] = [driver.now, driver.jobs.length];
          do {
            driver.add({ prompt: tokens(driver.jobs.length, longPrompt), answer: 1 });
            while (driver.numOpen > 0) driver.step();
          } while (driver.now < begin + wanted);
          return { tokens: (driver.jobs.length - first) * longPrompt, seconds: driver.now - begin };
        },
        end: async () => driver[Symbol.dispose](),
      };
    },
    end: async () => loaded[Symbol.dispose](),
  };
}

function peerOf(llama, { shape, layers, config, type, threads }) {
  const path = join(cache, `${shape}${layers ? `-${layers}-layers` : ''}-${type}.gguf`);
  if (!existsSync(path)) writeRandomGguf(path, config, type);
  const { num_hidden_layers, num_key_value_heads, hidden_size, num_attention_heads } = config;
  const tokens = (index, count) => [...workload.tokens(index, { count, vocabSize: config.vocab_size })];
  const greedy = { temperature: 0, yieldEogToken: true };
  const start = async (sequences, contextSize) => {
    // Weights in memory of their own, as this engine has them: pages of a mapped file may lie scattered, and read slowly.
    const model = await llama.loadModel({ modelPath: path, useMmap: false });
    const options = { sequences, contextSize, batchSize: 512, threads, flashAttention: true };
    const state = await model.createContext(options);
    const end = async () => {
      await state.dispose();
      await model.dispose();
    };
    return { state, end };
  };
  return {
    name: `node-llama-cpp ${type.toUpperCase()}`,
    weightBytes: statSync(path).size,
    /** Of an F16 cache. */
    sequenceBytes:
      (2 * 2 * context * num_hidden_layers * num_key_value_heads * hidden_size) / num_attention_heads,
    /** Sequences that are asked for their next tokens together; node-llama-cpp makes one batch of them. */
    async decode(batch) {
      const { state, end } = await start(batch, context);
      const streams = Array.from({ length: batch }, (_, i) =>
        state.getSequence().evaluate(tokens(i, prompt), greedy),
      );
      const step = () => Promise.all(streams.map((stream) => stream.next()));
      let made = 1;
      await step();
      return {
        async run(wanted) {
          const begin = performance.now();
          const first = made;
          for (; performance.now() < begin + 1000 * wanted && made < context - prompt; made++) await step();
          return { tokens: (made - first) * batch, seconds: (performance.now() - begin) / 1000 };
        },
        async end() {
          for (const stream of streams) await stream.return();
          await end();
        },
      };
    },
    /** From the prompt's tokens to the first of the answer. */
    async prefill() {
      const { state, end } = await start(1, longPrompt + 8);
      const sequence = state.getSequence();
      let read = 0;
      const readOne = async () => {
        await sequence.clearHistory();
        const stream = sequence.evaluate(tokens(read++, longPrompt), greedy);
        await stream.next();
        await stream.return();
      };
      await readOne();
      return {
        async run(wanted) {
          const begin = performance.now();
          const first = read;
          do await readOne();
          while (performance.now() < begin + 1000 * wanted);
          return { tokens: (read - first) * longPrompt, seconds: (performance.now() - begin) / 1000 };
        },
        end,
      };
    },
    end: async () => {},
  };
}
