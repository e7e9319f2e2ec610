// Overloads a server for as long as it is told and counts what comes back: no request may be lost or answered twice, and
// memory must stay where it was. Plain Node, over HTTP, so that all of the server is in it.
//   node scripts/soak.js [--seconds 60] [--batch 16] [--overload 2] [--model models/tiny-classics] [--json]
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    batch: { type: 'string', default: '16' },
    overload: { type: 'string', default: '2' },
    model: { type: 'string', default: join(root, 'models', 'tiny-classics') },
    threads: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
  },
});
const seconds = Number(values.seconds);
const batch = Number(values.batch);
const queue = batch;
const clients = Math.round(Number(values.overload) * (batch + queue));

const counts = { asked: 0, whole: 0, refused: 0, left: 0, lost: 0, doubled: 0, differing: 0 };
/** @type {string[]} */
const faults = [];
const fault = (kind, text) => {
  counts[kind]++;
  if (faults.length < 20) faults.push(text);
};

/** A random number that depends on client and turn alone, so that a run can be repeated. */
function random(client, turn, place) {
  let x = (client * 0x9e3779b1 + turn * 0x85ebca6b + place * 0xc2b2ae35) >>> 0;
  x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d);
  x = Math.imul(x ^ (x >>> 12), 0x297a2d39);
  return ((x ^ (x >>> 15)) >>> 0) / 2 ** 32;
}

const openings = ['The captain said', 'It was a dark night, and', 'My dear', 'Chapter 1. The sea'];

/** Requests of every kind. What is seeded must give the same text every time. */
function requestOf(client, turn) {
  const draw = (place, limit) => Math.floor(random(client, turn, place) * limit);
  const body = {
    prompt: openings[draw(0, 4)].repeat(1 + draw(1, 8)),
    max_tokens: 1 + draw(2, 48),
    seed: draw(3, 5),
    n: draw(4, 6) === 0 ? 2 : 1,
    stream: draw(5, 3) > 0,
    ignore_eos: true,
    ...(draw(6, 8) === 0 && { logprobs: 3 }),
    ...(draw(7, 8) === 0 && { stop: ['the', 'captain'] }),
    ...(draw(8, 8) === 0 && { structured_outputs: { regex: '[a-z]{3,8} (calm|storm)' } }),
  };
  return { body, leaves: draw(9, 10) === 0 };
}

/** Text by seeded request, to compare with the next time it is asked. */
const texts = new Map();

async function ask(url, client, turn) {
  const { body, leaves } = requestOf(client, turn);
  const controller = new AbortController();
  counts.asked++;
  if (leaves) setTimeout(() => controller.abort(), 5 + random(client, turn, 10) * 100).unref();
  try {
    const response = await fetch(`${url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: controller.signal,
    });
    if (response.status === 503 || response.status === 429) {
      await response.text();
      counts.refused++;
      await sleep(20 + random(client, turn, 11) * 200);
      return;
    }
    const text = await response.text();
    if (response.status !== 200) return fault('lost', `status ${response.status}: ${text.slice(0, 200)}`);
    check(body, body.stream ? choicesOfStream(text) : choicesOfWhole(text));
  } catch (error) {
    if (controller.signal.aborted) counts.left++;
    else fault('lost', `${error} ${error?.cause ?? ''}`);
  }
}

/** Text and number of ends of each choice. */
function choicesOfStream(text) {
  const choices = [];
  const frames = text.split('\n\n').filter((frame) => frame.startsWith('data: '));
  const ends = frames.filter((frame) => frame === 'data: [DONE]').length;
  if (ends !== 1 || frames.at(-1) !== 'data: [DONE]') throw new Error(`${ends} ends in a stream`);
  for (const frame of frames.slice(0, -1)) {
    const { choices: parts, error } = JSON.parse(frame.slice(6));
    if (error) throw new Error(error.message);
    for (const { index, text: piece, finish_reason: reason } of parts) {
      choices[index] ??= { text: '', ends: 0 };
      choices[index].text += piece;
      if (reason !== null) choices[index].ends++;
    }
  }
  return choices;
}

const choicesOfWhole = (text) =>
  JSON.parse(text).choices.map((choice) => ({
    text: choice.text,
    ends: choice.finish_reason === null ? 0 : 1,
  }));

function check(body, choices) {
  const { stream: _, ...question } = body;
  const key = JSON.stringify(question);
  for (let i = 0; i < body.n; i++) {
    const ends = choices[i]?.ends ?? 0;
    if (ends === 0) return fault('lost', `choice ${i} never ended: ${key}`);
    if (ends > 1) return fault('doubled', `choice ${i} ended ${ends} times: ${key}`);
  }
  if (choices.length !== body.n) return fault('doubled', `${choices.length} choices: ${key}`);
  counts.whole++;
  const text = choices.map((choice) => choice.text).join('\0');
  const before = texts.get(key);
  if (before === undefined && texts.size < 2000) texts.set(key, text);
  else if (before !== undefined && before !== text) fault('differing', `two answers to ${key}`);
}

async function readMetrics(url) {
  const text = await (await fetch(`${url}/metrics`)).text();
  return (name) =>
    text
      .split('\n')
      .filter((line) => line.startsWith(name) && /[{ ]/.test(line[name.length] ?? ''))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

/** The value that a share of them stays below. */
const quantile = (list, share) => [...list].sort((a, b) => a - b)[Math.floor(list.length * share)] ?? 0;
const median = (list) => quantile(list, 0.5);

const child = spawn(
  process.execPath,
  [
    ...[join(root, 'bin', 'atom.js'), 'serve', values.model, '--port', '0', '--log-level', 'warn'],
    ...['--max-batch', String(batch), '--max-queue', String(queue), '--kv-memory', `${batch / 4}M`],
    ...(values.threads === '' ? [] : ['--threads', values.threads]),
  ],
  { stdio: ['ignore', 'pipe', 'inherit'] },
);
const exited = once(child, 'exit');
const url = await new Promise((found, failed) => {
  let printed = '';
  child.stdout.on('data', (chunk) => {
    printed += chunk;
    const address = /at (http:\S+)/.exec(printed)?.[1];
    if (address && printed.includes('try:')) found(address);
  });
  exited.then(([code]) => failed(new Error(`the server ended with code ${code}`)));
});

const began = performance.now();
const elapsed = () => (performance.now() - began) / 1000;
/** @type {number[]} */
const memory = [];
/** Milliseconds by which the HTTP thread's timers were late: the worst hundredth of each second, the timers' 10 ms included. */
/** @type {number[]} */
const delays = [];
const sampling = (async () => {
  while (elapsed() < seconds) {
    await sleep(Math.min(1000, seconds * 20));
    const metrics = await readMetrics(url);
    memory.push(metrics('process_resident_memory_bytes'));
    delays.push(metrics('nodejs_eventloop_lag_p99_seconds') * 1000);
  }
})();
const loops = Array.from({ length: clients }, async (_, client) => {
  for (let turn = 0; elapsed() < seconds; turn++) await ask(url, client, turn);
});
await Promise.all([...loops, sampling]);

// Whoever left is forgotten within a few steps.
let metrics = await readMetrics(url);
for (
  let i = 0;
  i < 50 && metrics('vllm:num_requests_running') + metrics('vllm:kv_cache_usage_perc') > 0;
  i++
) {
  await sleep(100);
  metrics = await readMetrics(url);
}
const atRest = metrics('vllm:num_requests_running') + metrics('vllm:num_requests_waiting');
const cacheUse = metrics('vllm:kv_cache_usage_perc');
child.kill('SIGTERM');
const [code] = await exited;

// The first third warms caches and compiles; what comes after must not grow. Garbage comes and goes by tens of megabytes,
// so the lowest tenth of one half is compared with that of the other.
const settled = memory.slice(Math.floor(memory.length / 3));
const half = Math.floor(settled.length / 2);
const growth = quantile(settled.slice(half), 0.1) - quantile(settled.slice(0, half), 0.1);
const allowed = 24 * 2 ** 20;
const result = {
  seconds,
  clients,
  ...counts,
  preemptions: metrics('vllm:num_preemptions_total'),
  generatedTokens: metrics('vllm:generation_tokens_total'),
  loopDelayP99Ms: { median: Math.round(median(delays)), worst: Math.round(Math.max(0, ...delays)) },
  memoryMiB: {
    ...{ least: mib(Math.min(...settled)), median: mib(median(settled)), most: mib(Math.max(...settled)) },
    growth: mib(growth),
  },
  atRest,
  cacheUse,
  exitCode: code,
};
const sound =
  counts.lost + counts.doubled + counts.differing + atRest + cacheUse === 0 &&
  code === 0 &&
  counts.whole > 0 &&
  (clients <= batch + queue || counts.refused > 0) &&
  growth < allowed;
if (values.json) console.log(JSON.stringify(result));
else console.table(result);
for (const text of faults) console.error(text);
if (!sound) console.error('soak: failed');
process.exitCode = sound ? 0 : 1;

function mib(bytes) {
  return Math.round((bytes ?? 0) / 2 ** 20);
}
