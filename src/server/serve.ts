// A checkpoint to a server in one call, for programs of one's own; `atom serve` takes the parts and adds signals.
import { Engine } from '../engine/engine.ts';
import type { EngineInfo } from '../engine/engine-types.ts';
import { AtomError } from '../errors.ts';
import type { ServerOptions } from './options.ts';
import { checkNames, readServerOptions } from './read-options.ts';
import { type Server, startServer } from './server.ts';

/** Those of `atom serve` but for the preset: a checkpoint is quantized before. */
export type ServeOptions = Partial<Omit<ServerOptions, 'preset'>>;

/**
 * Serves the checkpoint's folder; resolves once it is ready. `drain` ends the server in order, `close` at once.
 * Throws `bad-option` for options that are none, `io` where it cannot listen, and what `Engine.load` throws.
 */
export async function serve(path: string, options: ServeOptions = {}): Promise<Server> {
  checkNames(options, 'the options', ['preset']);
  const all = readServerOptions({ flags: options });
  const server = await startServer({ modelPath: path, options: all, load: () => loadEngine(path, all) });
  await server.ready;
  return server;
}

/** The engine that the options ask for. Throws what `Engine.load` throws, and `bad-option` where the precision is not kept. */
export async function loadEngine(
  path: string,
  options: ServerOptions,
  signal?: AbortSignal,
): Promise<Engine> {
  const engine = await Engine.load(path, { ...engineOptions(options), ...(signal && { signal }) });
  try {
    if (options.strictPrecision) checkPrecision(engine.info);
    return engine;
  } catch (error) {
    await engine.close();
    throw error;
  }
}

function engineOptions(options: ServerOptions) {
  const { kvMemory, maxBatch, context, compute, threads, maxStepTokens, prefixCache, speculative } = options;
  return {
    compute,
    prefixCache,
    speculative,
    // Admission counts before the engine does.
    maxQueue: options.maxQueue,
    ...(kvMemory !== undefined && { kvMemory }),
    ...(maxBatch !== undefined && { maxBatch }),
    ...(context !== undefined && { maxModelLen: context }),
    ...(threads !== undefined && { threads }),
    ...(maxStepTokens !== undefined && { maxStepTokens }),
  };
}

function checkPrecision({ layers = [] }: EngineInfo): void {
  const other = layers.find(({ declared, executed }) => declared !== executed);
  if (other === undefined) return;
  const { name, declared, executed } = other;
  throw new AtomError(
    'bad-option',
    `--strict-precision: ${name} is ${declared} in the checkpoint, but would run as ${executed}`,
  );
}
