// `atom serve`: the engine behind the HTTP server, until a signal ends it.
// Options are the server's own (server/options.ts); here they become flags, and the process meets its signals.
import { existsSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Command } from 'commander';
import type { Engine } from '../engine/engine.ts';
import { checkAddress } from '../server/listen.ts';
import { type OptionFacts, optionFacts, type ServerOptions } from '../server/options.ts';
import { readServerOptions } from '../server/read-options.ts';
import { loadEngine } from '../server/serve.ts';
import { type Server, startServer } from '../server/server.ts';
import { bundledModel, presetFolder } from './preset-folder.ts';
import { parseReference, resolveModel } from './resolve-model.ts';

export function serveCommand(): Command {
  const command = new Command('serve')
    .description('serve a checkpoint over an OpenAI-compatible API')
    .argument('[model]', 'folder of a checkpoint, or its id on the Hub (default: the bundled one, in 4 bits)')
    .option('--config <file>', 'options from a JSON file, by name [ATOM_CONFIG]');
  for (const option of optionFacts) addFlag(command, option);
  return command.action(async (given: string | undefined) => {
    const { config, ...values } = command.opts<Record<string, unknown> & { config?: string }>();
    // Commander gives every `--no-` switch a value; only what was written counts.
    const flags = Object.fromEntries(
      Object.entries(values).filter(([name]) => command.getOptionValueSource(name) === 'cli'),
    );
    const file = config === undefined ? {} : { file: config };
    outliveReaders();
    const options = readServerOptions({ flags, environment: process.env, ...file });
    const model = given ?? bundledModel();
    const preset = options.preset ?? (given === undefined ? 'atom' : undefined);
    // Before anything that takes long.
    await checkAddress(options);
    const folder = await resolveModel(model);
    const path = preset === undefined ? folder : await presetFolder(folder, preset);
    await serve(path, { ...options, servedModelName: namesOf(model, options) });
  });
}

/** Clients know a model by its id on the Hub or its own folder, not by the cache it was put into. */
function namesOf(model: string, { servedModelName }: ServerOptions): string[] {
  if (servedModelName.length > 0) return servedModelName;
  const hubId = existsSync(model) ? undefined : parseReference(model)?.id;
  return [hubId ?? basename(resolve(model))];
}

/** A pipe that goes away, with whoever read the log, is no reason to drop the clients. */
function outliveReaders(): void {
  // Other commands end with their readers.
  process.stdout.removeAllListeners('error');
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
}

function addFlag(command: Command, option: OptionFacts): void {
  const { flag, value, description, repeatable, variable } = option;
  const byDefault = option.default;
  const shown = byDefault === undefined || Array.isArray(byDefault) ? '' : ` (default: ${byDefault})`;
  const text = `${description}${shown} [${variable}]`;
  if (value === undefined) {
    if (byDefault === true)
      command.option(flag.replace('--', '--no-'), `do not ${description} [${variable}=false]`);
    else command.option(flag, `${description} [${variable}=true]`);
  } else if (repeatable) {
    const collect = (given: string, all: string[] = []) => [...all, ...given.split(',')];
    command.option(`${flag} <${value}>`, text, collect);
  } else {
    command.option(`${flag} <${value}>`, text);
  }
}

async function serve(path: string, options: ServerOptions): Promise<void> {
  using signals = endSignals();
  await serveUntil(signals, path, options);
  await signals.echoed();
}

/** Resolves when a signal has ended the server in order. Throws what keeps it from serving. */
async function serveUntil(signals: EndSignals, path: string, options: ServerOptions): Promise<void> {
  const loading = new AbortController();
  let engine: Engine | undefined;
  const load = async () => {
    engine = await loadEngine(path, options, loading.signal);
    return engine;
  };
  const server = await startServer({ modelPath: path, options, load });
  const stopped = signals.first.then(() => 'signal' as const);
  const ready = await Promise.race([server.ready.then(() => 'ready' as const), stopped]);
  if (ready === 'signal') {
    loading.abort(new Error('interrupted'));
    return server.close();
  }
  announce(server, path, engine!);
  const failure = await Promise.race([engine!.whenFailed(), stopped]);
  if (failure !== 'signal') {
    await server.close();
    throw failure;
  }
  // A second signal ends the wait for those that run.
  await Promise.race([server.drain(), signals.second.then(() => server.close())]);
}

function announce({ url }: Server, path: string, { info, tokenizer }: Engine): void {
  const { architecture, scheme, backend, threads, cache } = info.summary ?? {};
  const [route, question] =
    tokenizer.chatTemplate.source === undefined
      ? ['completions', '"prompt": "Once upon a time"']
      : ['chat/completions', '"messages": [{"role": "user", "content": "Hello!"}]'];
  const body = `{${question}, "max_tokens": 50, "stream": true}`;
  console.log(`serving ${path} (${architecture}, ${scheme}) at ${url}`);
  console.log(`${backend} on ${threads} thread${threads === 1 ? '' : 's'}; ${cache}`);
  const curl = url.startsWith('unix:') ? `--unix-socket ${url.slice(5)} http://localhost` : url;
  console.log(`try: curl -N ${curl}/v1/${route} -H 'Content-Type: application/json' -d '${body}'`);
}

interface EndSignals extends Disposable {
  readonly first: Promise<void>;
  readonly second: Promise<void>;
  /**
   * Resolves once no echo of a signal is to come any more. An idle server has drained before npm hands on the signal that
   * ended it, which would kill a process that no longer listens, with another exit code than 0.
   */
  echoed(): Promise<void>;
}

/** A Ctrl-C reaches a program that npm runs twice: from the terminal, and handed on by npm. */
const ECHO_MILLISECONDS = 500;

/** Those of a service manager, the keyboard, and a terminal that is closed, counted together. */
const endings = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

function endSignals(): EndSignals {
  const waiting: (() => void)[] = [];
  let last = Number.NEGATIVE_INFINITY;
  const onSignal = () => {
    const now = performance.now();
    if (now - last > ECHO_MILLISECONDS) waiting.shift()?.();
    last = now;
  };
  const next = () => new Promise<void>((resolve) => waiting.push(resolve));
  for (const name of endings) process.on(name, onSignal);
  return {
    first: next(),
    second: next(),
    async echoed() {
      const left = () => last + ECHO_MILLISECONDS - performance.now();
      while (left() > 0) await setTimeout(left());
    },
    [Symbol.dispose]() {
      for (const name of endings) process.off(name, onSignal);
    },
  };
}
